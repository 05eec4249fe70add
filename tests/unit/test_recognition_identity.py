"""Identity: dlib's network in torch, upright faces, FaceNet at full size, and what is missing."""

import dlib
import numpy as np
import pytest
import torch
from drawn import face
from facetory.pipeline.files import FacetoryError, sha256_of
from facetory.recognition import judges_catalogue
from facetory.recognition.dlib_embedder import aligner
from facetory.recognition.dlib_resnet import load, padded_sum
from facetory.recognition.facenet import PEOPLE, inception_resnet
from facetory.recognition.identity import cosine, embedder, unit
from facetory.recognition.judges_catalogue import IDENTITY, LANDMARKS, checked, missing_identity
from PIL import Image


def drawn(px, turned=0):
    """A drawn face, turned by degrees, (3, px, px)."""
    picture = Image.fromarray(face(px)).rotate(turned, Image.Resampling.BICUBIC, fillcolor=(90, 90, 90))
    return np.asarray(picture).transpose(2, 0, 1)


def pictures(n, px, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 3, px, px), dtype=np.uint8)


@pytest.fixture(scope="module")
def by_dlib():
    return embedder("dlib")


def test_the_network_in_torch_gives_what_dlib_gives():
    path = checked(IDENTITY["dlib"], "data")
    chips = np.concatenate([pictures(2, 150), drawn(150)[None]])
    theirs = dlib.face_recognition_model_v1(str(path))
    expected = theirs.compute_face_descriptor([np.ascontiguousarray(c.transpose(1, 2, 0)) for c in chips], 0)
    found = load(path)(torch.from_numpy(chips).float())
    assert np.abs(np.array(expected)).max() > 0.1
    np.testing.assert_allclose(found, np.array(expected), atol=1e-5)


def test_a_sum_of_unlike_shapes_continues_each_with_zeros():
    x, y = torch.ones(1, 1, 2, 2), torch.full((1, 2, 1, 1), 10.0)
    assert padded_sum(x, y).tolist() == [[[[11, 1], [1, 1]], [[10, 0], [0, 0]]]]


def test_faces_are_turned_upright():
    """dlib finds the eyes of the turned face, once upright, where those of the straight one are."""
    upright = aligner(path := checked(LANDMARKS, "data"))
    predict, box = dlib.shape_predictor(str(path)), dlib.rectangle(0, 0, 149, 149)

    def tilt(image):
        points = predict(np.ascontiguousarray(image.transpose(1, 2, 0)), box).parts()
        (left, right) = ((points[i] + points[i + 1]) * 0.5 for i in (2, 0))
        return np.degrees(np.arctan2(right.y - left.y, right.x - left.x))

    turned = drawn(150, turned=12)
    assert abs(tilt(turned)) > 8
    assert abs(tilt(upright(turned))) < 4
    assert upright(turned).shape == (3, 150, 150)


def test_dlib_knows_a_picture_at_any_size_and_in_any_batch(by_dlib):
    alone = by_dlib(drawn(128)[None])
    assert alone.shape == (1, 128) and np.linalg.norm(alone) == pytest.approx(1)
    among = by_dlib(np.concatenate([pictures(17, 128), drawn(128)[None]]))
    assert cosine(among[17:], alone) == pytest.approx([1], abs=1e-5)
    assert cosine(by_dlib(drawn(64)[None]), alone)[0] > 0.97 > cosine(among[:1], alone)[0]


def test_cosine_by_hand():
    a, b = unit(np.array([[3.0, 4.0], [1, 0]])), unit(np.array([[4.0, 3.0], [0, 2]]))
    assert cosine(a, b).tolist() == pytest.approx([24 / 25, 0])


def test_facenet_of_full_size_reads_a_placed_file(tmp_path, monkeypatch):
    """Random weights under the names of the released file, whose last layer tells VGGFace2's people apart."""
    torch.manual_seed(0)
    network = inception_resnet().eval()
    assert network.logits.out_features == PEOPLE
    assert sum(p.numel() for p in network.parameters()) == 27_910_327
    released = IDENTITY["facenet"]
    path = tmp_path / "weights" / released.file
    path.parent.mkdir()
    torch.save(network.state_dict(), path)
    assert missing_identity("facenet", tmp_path) is None
    with pytest.raises(FacetoryError, match="sha256"):
        embedder("facenet", data_root=tmp_path)
    own = {"facenet": released._replace(sha256=sha256_of(path))}
    monkeypatch.setattr("facetory.recognition.facenet.IDENTITY", own)
    x = pictures(2, 160)
    found = embedder("facenet", data_root=tmp_path)(x)
    assert found.shape == (2, 512)
    with torch.inference_mode():
        expected = network((torch.from_numpy(x).float() - 127.5) / 128).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_is_missing_names_file_place_and_package(tmp_path, monkeypatch):
    reason = missing_identity("facenet", tmp_path)
    assert IDENTITY["facenet"].file in reason and str(tmp_path / "weights") in reason
    with pytest.raises(FacetoryError, match="not placed"):
        embedder("facenet", data_root=tmp_path)
    assert missing_identity("dlib", tmp_path) is None
    with pytest.raises(FacetoryError, match="'dlib'"):
        embedder("dlibb")
    monkeypatch.setattr(judges_catalogue, "find_spec", lambda name: None)
    reason = missing_identity("dlib", tmp_path)
    assert "dlib and face_recognition_models not installed" in reason and "pip install dlib-bin" in reason
