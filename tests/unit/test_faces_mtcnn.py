"""MTCNN: suppression against a plain double loop, imports with and without torchvision, and what it finds."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from drawn import EYES, face
from facetory.faces import mtcnn
from facetory.faces.mtcnn import Detection, batched_nms, detect, find_faces
from hypothesis import given, settings
from hypothesis import strategies as st

SURE = 0.9


def iou(a, b):
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / union


def suppressed_plainly(boxes, scores, groups, threshold):
    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(groups[i] != groups[j] or iou(boxes[i], boxes[j]) <= threshold for j in kept):
            kept.append(i)
    return kept


box = st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(1, 6), st.integers(1, 6))


@settings(deadline=None)
@given(
    st.lists(st.tuples(box, st.integers(0, 2)), max_size=25), st.sampled_from([0.1, 0.3, 0.5, 0.7]), st.data()
)
def test_suppression_is_that_of_a_plain_loop(rows, threshold, data):
    boxes = [(x, y, x + w, y + h) for (x, y, w, h), _ in rows]
    groups = [group for _, group in rows]
    scores = data.draw(st.lists(st.integers(0, 9), min_size=len(rows), max_size=len(rows)))
    kept = batched_nms(
        torch.tensor(boxes, dtype=torch.float64).reshape(-1, 4),
        torch.tensor(scores, dtype=torch.float64),
        torch.tensor(groups, dtype=torch.int64),
        threshold,
    )
    assert kept.dtype == torch.int64
    assert kept.tolist() == suppressed_plainly(boxes, scores, groups, threshold)


def test_groups_do_not_suppress_each_other():
    boxes, scores = torch.tensor([[0.0, 0, 4, 4]] * 3), torch.tensor([0.5, 0.9, 0.7])
    assert batched_nms(boxes, scores, torch.tensor([0, 0, 1]), 0.5).tolist() == [1, 2]


def test_equal_scores_keep_the_first():
    boxes, scores = torch.tensor([[0.0, 0, 4, 4]] * 2), torch.tensor([0.5, 0.5])
    assert batched_nms(boxes, scores, torch.tensor([0, 0]), 0.5).tolist() == [0]


def test_to_tensor_divides_bytes_alone():
    image = np.arange(24).reshape(2, 4, 3)
    assert mtcnn.to_tensor(image.astype(np.uint8))[2, 1, 3] == torch.tensor(23 / 255)
    assert mtcnn.to_tensor(image.astype(np.float32))[2, 1, 3] == 23
    assert mtcnn.to_tensor(image.astype(np.uint8)).shape == (3, 2, 4)


def run(tmp_path, torchvision, code):
    """Run code in a new process in which ``import torchvision`` finds the given files."""
    for name, content in torchvision.items():
        path = tmp_path / "torchvision" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(content))
    program = f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\n" + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


LEFT_BEHIND = """
    from facetory.faces.mtcnn import facenet, batched_nms
    package = facenet()
    nms = sys.modules["facenet_pytorch.models.utils.detect_face"].batched_nms
    left = [name for name in sys.modules if name.split(".")[0] == "torchvision"]
    print(nms is batched_nms, len(left))
"""


@pytest.mark.parametrize(
    "error", ["ImportError('no')", "RuntimeError('operator torchvision::nms does not exist')"]
)
def test_stubs_stand_in_for_a_torchvision_that_does_not_import_and_leave(tmp_path, error):
    broken = {"__init__.py": "from torchvision import half", "half.py": f"raise {error}"}
    assert run(tmp_path, broken, LEFT_BEHIND) == ["True", "0"]


def test_a_torchvision_that_imports_is_used_and_stays(tmp_path):
    whole = {
        "__init__.py": "",
        "ops/__init__.py": "from . import boxes",
        "ops/boxes.py": "def batched_nms(*a): return 'theirs'",
        "transforms/__init__.py": "from . import functional",
        "transforms/functional.py": "def to_tensor(a): return 'theirs'",
    }
    assert run(tmp_path, whole, LEFT_BEHIND) == ["False", "5"]


def test_after_the_import_torchvision_is_as_absent_as_before():
    before = {name for name in sys.modules if name.split(".")[0] == "torchvision"}
    mtcnn.facenet()
    assert {name for name in sys.modules if name.split(".")[0] == "torchvision"} == before


@pytest.mark.parametrize("px", [48, 96, 192, 512])
def test_landmarks_lie_on_the_drawn_eyes(px):
    found = find_faces(face(px), Detection(), SURE)
    assert len(found.probabilities) == 1 and found.probabilities[0] > SURE
    drawn = (np.array(EYES) * 0.6 + 0.5) * px
    np.testing.assert_allclose(found.landmarks[0, :2], drawn, atol=0.03 * px)
    x0, y0, x1, y1 = found.boxes[0]
    assert x0 < drawn[0, 0] < drawn[1, 0] < x1 and y0 < drawn[0, 1] < y1


def test_the_same_face_is_found_in_a_small_and_a_large_picture():
    small, large = (find_faces(face(px), Detection(), SURE).boxes[0] / px for px in (96, 384))
    np.testing.assert_allclose(small, large, atol=0.05)


def test_several_faces_are_all_found():
    pair = face(192, ((0.28, 0.5, 0.45), (0.73, 0.45, 0.4)))
    assert (find_faces(pair, Detection(), SURE).probabilities >= SURE).sum() == 2


def test_the_second_look_finds_a_face_that_is_small_in_its_picture():
    picture = face(640, ((0.3, 0.4, 0.12),))
    assert not (detect(picture, 160, 40).probabilities >= SURE).any()
    found = find_faces(picture, Detection(), SURE)
    best = found.boxes[found.probabilities.argmax()]
    np.testing.assert_allclose((best[:2] + best[2:]) / 2 / 640, [0.3, 0.4], atol=0.02)


@pytest.mark.parametrize("shape", [(1, 1), (11, 300), (300, 11), (13, 200), (48, 48), (700, 40)])
def test_pictures_without_a_face_have_none_whatever_their_shape(shape):
    flat = np.full((*shape, 3), 127, dtype=np.uint8)
    found = find_faces(flat, Detection(), SURE)
    assert found.boxes.shape == (0, 4) and found.landmarks.shape == (0, 5, 2)


@pytest.mark.parametrize("seed", range(6))
def test_noise_does_not_break_the_detector(seed):
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (*rng.integers(12, 220, 2), 3), dtype=np.uint8)
    found = detect(noise, 160, 12, Detection(thresholds=(0.3, 0.3, 0.3)))
    assert len(found.boxes) == len(found.probabilities) == len(found.landmarks)
