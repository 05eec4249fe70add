"""IJB-C: strict texts, templates as the protocol says, and scores that no batch size changes."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from facetory.data import catalogue, ijbc
from facetory.data.ijbc import read_integers, read_protocol
from facetory.data.stage import make_index
from facetory.metrics.tar import tar_at_far
from facetory.pipeline.config import DatasetSpec
from facetory.pipeline.files import FacetoryError
from facetory.recognition.templates import media_sizes, pair_scores, reader, template_features
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

PX = 28
FACES = 45


def released(root, faces=FACES, seed=0):
    """A small copy of IJB-C's layout: texts, and a picture for each face."""
    draw = np.random.default_rng(seed)
    (root / "meta").mkdir(parents=True)
    (root / "loose_crop").mkdir()
    template = np.concatenate([np.arange(12), draw.integers(0, 12, faces - 12)]) * 7 + 3
    media = draw.integers(1, 4, faces) + 100 * template
    points = draw.normal([[20, 25], [40, 25], [30, 37], [22, 48], [38, 48]], 1, (faces, 5, 2))
    score = draw.uniform(0.4, 1, faces)
    names = [f"{i + 1}.jpg" for i in range(faces)]
    for name in names:
        pixels = draw.integers(0, 256, (66, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "loose_crop" / name, format="PNG")
    lines = [f"{n} {t} {m}\n" for n, t, m in zip(names, template, media, strict=True)]
    (root / ijbc.FACES).write_text("".join(lines))
    lines = [
        " ".join([n, *(f"{x:.3f}" for x in p.ravel()), f"{s:.3f}\n"])
        for n, p, s in zip(names, points, score, strict=True)
    ]
    (root / ijbc.POINTS).write_text("".join(lines))
    ids = np.unique(template)
    lines = [f"{a} {b} {int(draw.random() < 0.3)}\n" for a in ids for b in ids]
    (root / ijbc.PAIRS).write_text("".join(lines))
    return root


def changed(path, line, text):
    lines = path.read_text().split("\n")
    lines[line - 1] = text
    path.write_text("\n".join(lines))


def test_the_texts_are_read_as_they_are(tmp_path):
    root = released(tmp_path)
    protocol = read_protocol(root)
    faces = [line.split(" ") for line in (root / ijbc.FACES).read_text().splitlines()]
    points = [line.split(" ") for line in (root / ijbc.POINTS).read_text().splitlines()]
    pairs = [line.split(" ") for line in (root / ijbc.PAIRS).read_text().splitlines()]
    ids = np.unique([int(face[1]) for face in faces])
    assert protocol.names == [face[0] for face in faces]
    assert ids[protocol.template].tolist() == [int(face[1]) for face in faces]
    assert protocol.media.tolist() == [int(face[2]) for face in faces]
    assert protocol.points.shape == (FACES, 5, 2)
    assert (protocol.points[7].ravel() == np.float32(points[7][1:11])).all()
    assert (protocol.score == np.float32([row[11] for row in points])).all()
    stacked = np.stack([ids[protocol.first], ids[protocol.second], protocol.same], 1)
    assert stacked.tolist() == [[int(value) for value in pair] for pair in pairs]


@pytest.mark.parametrize(
    ("text", "line", "to", "problem"),
    [
        (ijbc.PAIRS, 5, "3 10", "line 5: '3 10' is not 3 integers"),
        (ijbc.PAIRS, 5, "3 10 1 0", "line 5: '3 10 1 0' is not 3 integers"),
        (ijbc.PAIRS, 1, "3,10,1", "line 1: '3,10,1' is not 3 integers"),
        (ijbc.PAIRS, 144, "3 10 1.0", r"line 144: '3 10 1\.0' is not 3 integers"),
        (ijbc.PAIRS, 9, "", "line 9: '' is not 3 integers"),
        (ijbc.PAIRS, 9, "3  10 1", "line 9: '3  10 1' is not 3 integers"),
        (ijbc.PAIRS, 9, "3 -10 1", "line 9: '3 -10 1' is not 3 integers"),
        (ijbc.PAIRS, 9, "3 10 1\r", r"line 9: .* is not 3 integers"),
        (ijbc.PAIRS, 9, "3 9999999999 1", "line 9: '3 9999999999 1' is not 3 integers"),
        (ijbc.PAIRS, 9, "3 10 2", "line 9: the label is neither 0 nor 1"),
        (ijbc.PAIRS, 9, "3 4 1", "line 9: a template that meta/ijbc_face_tid_mid.txt does not name"),
        (ijbc.FACES, 2, "2.jpg 3", "line 2: '2.jpg 3' is not a file's name"),
        (ijbc.FACES, 2, "2.jpg 3 x", "line 2: .* is not a file's name"),
        (ijbc.FACES, 2, "../2.jpg 3 4", "line 2: .* is not a file's name"),
        (ijbc.FACES, 2, ".. 3 4", "line 2: .* is not a file's name"),
        (ijbc.FACES, 3, "4.jpg 3 4", "ijbc_name_5pts_score.txt line 3: .* is not 4.jpg with"),
        (ijbc.POINTS, 4, "4.jpg 1 2 3 4 5 6 7 8 9 0.9", "line 4: .* is not 4.jpg with ten coordinates"),
        (ijbc.POINTS, 4, "4.jpg 1 2 3 4 5 6 7 8 9 y 0.9", "line 4: a coordinate or the score is no number"),
        (
            ijbc.POINTS,
            4,
            "4.jpg 1 2 3 4 5 6 7 8 9 nan 0.9",
            "line 4: a coordinate or the score is not finite",
        ),
        (ijbc.POINTS, 4, "4.jpg 1 2 1 2 1 2 1 2 1 2 0.9", "line 4: the five points coincide"),
        (ijbc.POINTS, 4, "4.jpg 1 2 3 4 5 6 7 8 9 9 1.5", "line 4: the detector's score is outside 0 … 1"),
    ],
)
def test_a_bad_line_is_named(tmp_path, text, line, to, problem):
    root = released(tmp_path)
    changed(root / text, line, to)
    with pytest.raises(FacetoryError, match=problem):
        read_protocol(root)


@pytest.mark.parametrize("text", [ijbc.FACES, ijbc.POINTS, ijbc.PAIRS])
def test_a_missing_or_short_text(tmp_path, text):
    root = released(tmp_path)
    lines = (root / text).read_text().split("\n")
    if text != ijbc.PAIRS:
        (root / text).write_text("\n".join(lines[:-5]))
        with pytest.raises(FacetoryError, match=r"lines, .* has (45|41)"):
            read_protocol(root)
    (root / text).unlink()
    with pytest.raises(FacetoryError, match=r"\.txt: the file is missing"):
        read_protocol(root)


@given(
    rows=st.lists(st.tuples(*[st.integers(0, 999_999_999)] * 3), min_size=1, max_size=40),
    block=st.integers(1, 60),
    ends=st.booleans(),
)
def test_integers_come_back_whatever_the_blocks(tmp_path_factory, rows, block, ends):
    path = tmp_path_factory.mktemp("i") / "pairs.txt"
    path.write_text("\n".join(" ".join(map(str, row)) for row in rows) + ("\n" if ends else ""))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ijbc, "BLOCK", block)
        assert read_integers(path, 3).tolist() == [list(row) for row in rows]
        path.write_text(path.read_text().rstrip("\n") + "\n1 2\n")
        with pytest.raises(FacetoryError, match=f"line {len(rows) + 1}: '1 2' is not"):
            read_integers(path, 3)


def literal_features(features, protocol):
    """Templates as the released protocol states them, loop by loop."""
    weighted = features * protocol.score[:, None]
    found = []
    for template in np.unique(protocol.template):
        inside = protocol.template == template
        means = [
            weighted[inside & (protocol.media == medium)].mean(axis=0)
            for medium in np.unique(protocol.media[inside])
        ]
        found.append(np.sum(means, axis=0) / np.linalg.norm(np.sum(means, axis=0)))
    return np.array(found)


class Projection:
    """Features that keep their length: pictures on fixed random directions, and the sizes of its batches."""

    def __init__(self):
        self.matrix = np.random.default_rng(5).normal(0, 1e-3, (3 * PX * PX, 24)).astype(np.float32)
        self.sizes = set()

    def __call__(self, images):
        self.sizes.add(len(images))
        return (images.reshape(len(images), -1).astype(np.float32) - 100) @ self.matrix


def test_templates_are_weighted_means_of_media_summed(tmp_path):
    protocol, describe = read_protocol(released(tmp_path)), Projection()
    assert media_sizes(protocol.template, protocol.media).max() > 1
    with ThreadPoolExecutor(1) as pool:
        images = reader(protocol, tmp_path, PX, pool)(np.arange(FACES))
    assert images.shape == (FACES, 3, PX, PX) and images.dtype == np.uint8
    expected = literal_features(describe(images) + describe(images[..., ::-1]), protocol)
    found = template_features(describe, protocol, tmp_path, PX, 16)
    assert found.dtype == np.float32 and found == pytest.approx(expected, abs=1e-6)


def test_no_batch_size_changes_a_score(tmp_path):
    protocol = read_protocol(released(tmp_path))
    scores = []
    for batch_size in (1, 7, 64):
        describe = Projection()
        features = template_features(describe, protocol, tmp_path, PX, batch_size, threads=2)
        assert describe.sizes == {batch_size}
        scores.append(pair_scores(features, protocol.first, protocol.second))
    assert scores[1] == pytest.approx(scores[0], abs=3e-7) and scores[2] == pytest.approx(scores[0], abs=3e-7)
    same = protocol.same
    tars = {tar_at_far(found[same], found[~same], 0.05).value for found in scores}
    assert len(tars) == 1


def test_faces_are_turned_to_the_template(tmp_path):
    """A picture in which the five points are marked has the marks at the template's points."""
    root = released(tmp_path)
    picture = np.zeros((66, 60, 3), dtype=np.uint8)
    protocol = read_protocol(root)
    for x, y in protocol.points[0]:
        picture[round(float(y)) - 1 : round(float(y)) + 2, round(float(x)) - 1 : round(float(x)) + 2] = 255
    Image.fromarray(picture).save(root / "loose_crop" / "1.jpg", format="PNG")
    with ThreadPoolExecutor(1) as pool:
        face = reader(protocol, root, 112, pool)(np.array([0]))[0, 0]
    marks = [[38.3, 51.7], [73.5, 51.5], [56.0, 71.7], [41.5, 92.4], [70.7, 92.2]]
    assert all(face[round(y), round(x)] > 128 for x, y in marks)
    assert (face > 128).mean() < 0.05


def test_scores_are_cosines_whatever_the_block(monkeypatch):
    draw = np.random.default_rng(0)
    features = draw.normal(size=(9, 5)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    first, second = draw.integers(0, 9, (2, 100))
    whole = pair_scores(features, first, second)
    assert whole == pytest.approx((features @ features.T)[first, second], abs=1e-6)
    monkeypatch.setattr("facetory.recognition.templates.PAIRS_AT_ONCE", 7)
    assert (pair_scores(features, first, second) == whole).all()


def test_a_missing_picture_is_named(tmp_path):
    root = released(tmp_path)
    (root / "loose_crop" / "30.jpg").unlink()
    with pytest.raises(FacetoryError, match=r"loose_crop/30\.jpg: the image is missing"):
        template_features(Projection(), read_protocol(root), root, PX, 8)


def test_the_catalogue_says_that_only_licensees_have_it(tmp_path):
    reason = catalogue.missing("ijbc", tmp_path)
    assert "existing licensees only" in reason and "stopped distributing it in March 2023" in reason
    released(tmp_path / "ijbc")
    assert catalogue.missing("ijbc", tmp_path) is None
    with pytest.raises(FacetoryError, match="ijbc: a verification set, which has no index"):
        make_index(DatasetSpec(name="ijbc"), tmp_path, tmp_path / "index")
