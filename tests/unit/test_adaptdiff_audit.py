"""The leakage audit: the nearest training face of each synthetic identity, and what is told of it."""

import numpy as np
import pytest
from facetory.adaptdiff.audit import audit_leakage, leakage, nearest_training
from facetory.adaptdiff.identities import sphere
from facetory.adaptdiff.spec import AuditSpec, IdentitiesSpec
from facetory.faces.face_set import file_entry, write_face_file
from facetory.pipeline.files import FacetoryError, read_json, sha256_of, write_json, write_tensors
from safetensors.numpy import load_file
from synthesis_street import PX, spec


def unit(*components):
    vector = np.array(components, np.float32)
    return vector / np.linalg.norm(vector)


def contexts(folder, vectors, sample_ids):
    path = folder / "contexts.safetensors"
    write_tensors(path, {"contexts": np.asarray(vectors, np.float32)}, {"sample_ids": sample_ids})
    outputs = {path.name: sha256_of(path)}
    write_json(folder / "manifest.json", {"status": "embedded", "outputs": outputs})
    return path


def flat():
    """A synthesis whose identities lie on a circle."""
    return spec(pool=IdentitiesSpec(count=11, size=2))


@pytest.mark.parametrize("rows", [1, 4, 1000])
def test_blocks_find_what_the_whole_matrix_holds(rows):
    vectors, training = sphere(30, 8, 0), sphere(50, 8, 1).reshape(25, 2, 8)
    cosine, face = nearest_training(vectors, training, rows)
    whole = np.einsum("md,nvd->mnv", vectors, training).max(2)
    np.testing.assert_allclose(cosine, whole.max(1), rtol=1e-6)
    np.testing.assert_array_equal(face, whole.argmax(1))


def test_a_mirror_image_is_as_near_as_a_face():
    training = np.array([[unit(0, 1), unit(1, 0)], [unit(0, -1), unit(0, -1)]])
    cosine, face = nearest_training(np.array([unit(1, 0)]), training)
    assert (cosine.tolist(), face.tolist()) == ([1.0], [0])


def test_an_identity_counts_with_its_nearest_image(tmp_path):
    """Cosines .6 and .8 of one identity, −.6 of another: mean .1, maximum .8."""
    training = np.array([[unit(1, 0)] * 2, [unit(-3, -4)] * 2])
    path = contexts(tmp_path, training[:1], ["p7/3"])
    vectors = np.array([unit(3, 4), unit(4, 3), unit(-3, 4)])
    found = leakage(["00000", "00004"], np.array([0, 0, 1]), vectors, path)
    assert found["nearest"] == [["00000", "p7/3", 0.8], ["00004", "p7/3", -0.6]]
    assert (found["mean"], found["max"], found["n"]) == (pytest.approx(0.1), 0.8, 2)
    assert found["p99"] == pytest.approx(0.8 - 0.01 * 1.4)


def test_only_the_ten_nearest_are_named(tmp_path):
    path = contexts(tmp_path, sphere(8, 16, 1).reshape(4, 2, 16), [f"p{i}" for i in range(4)])
    found = leakage([f"{i:05d}" for i in range(40)], np.arange(40), sphere(40, 16, 0), path)
    cosines = [cosine for _, _, cosine in found["nearest"]]
    assert len(cosines) == 10 and cosines == sorted(cosines, reverse=True) and cosines[0] == found["max"]


def test_contexts_of_another_embedder_are_refused(tmp_path):
    path = contexts(tmp_path, sphere(4, 16, 1).reshape(2, 2, 16), ["a", "b"])
    with pytest.raises(FacetoryError, match="vectors of 16 components, the embedder's have 8"):
        leakage(["00000"], np.array([0]), sphere(1, 8, 0), path)


@pytest.fixture
def street(tmp_path, monkeypatch):
    """Three identities of two images; the embedder reads its vector off two pixels, and fails on black."""
    levels = np.array([[3, 4], [4, 3], [0, 5], [0, 0], [5, 0], [5, 0]])
    images = np.zeros((6, 3, PX, PX), np.uint8)
    images[:, 0, 0, :2] = levels
    identity, image = np.repeat([0, 1, 2], 2), np.tile([0, 1], 3)
    root = tmp_path / "set"
    names = {i: f"{i:05d}" for i in range(3)}
    write_face_file(root / "images.safetensors", images, identity, image, np.ones(6, bool), names)
    about = {"dataset": "drawn", "split": "all", "synthetic": True, "title": "drawn"}
    files = [file_entry(root, root / "images.safetensors")]
    write_json(root / "manifest.json", {"status": "gathered", "files": files, "px": PX, "about": about})

    def embed(images):
        vectors = images[:, 0, 0, :2].astype(np.float32)
        with np.errstate(invalid="ignore"):
            return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    monkeypatch.setattr("facetory.adaptdiff.separation.embedder", lambda name, *_: embed)
    (tmp_path / "contexts").mkdir()
    path = contexts(tmp_path / "contexts", np.array([[unit(1, 0)] * 2]), ["p7"])
    return {"faces": root / "manifest.json", "contexts": path, "folder": tmp_path / "audit"}


def test_the_stage_writes_names_and_cosines_alone(street):
    audit_leakage(AuditSpec(synthesis=flat(), images=2), **street)
    about = read_json(street["folder"] / "manifest.json")
    assert (about["status"], about["unseen"]) == ("audited", 1)
    training, asked = load_file(street["contexts"])["contexts"], sphere(11, 2, 0)[:3]
    nearest = np.einsum("md,nvd->mnv", asked, training).max((1, 2))
    assert about["leakage"]["asked"] == pytest.approx(nearest.mean(), abs=1e-6)
    assert about["leakage"]["nearest"] == [["00002", "p7", 1.0], ["00000", "p7", 0.8], ["00001", "p7", 0.0]]
    assert [path.name for path in street["folder"].iterdir()] == ["manifest.json"]
    audit_leakage(AuditSpec(synthesis=flat()), **street)
    assert read_json(street["folder"] / "manifest.json")["leakage"]["nearest"][1] == ["00000", "p7", 0.6]


@pytest.mark.parametrize("lost", ["faces", "contexts"])
def test_what_is_not_there_is_not_audited(lost, street):
    write_json(street[lost].with_name("manifest.json"), {"status": "not_run", "reason": "no weights"})
    audit_leakage(AuditSpec(synthesis=spec()), **street)
    about = read_json(street["folder"] / "manifest.json")
    assert about["status"] == "not_run" and about["reason"].endswith(": no weights")


def test_spoilt_contexts_are_noticed(street):
    street["contexts"].write_bytes(b"spoilt")
    with pytest.raises(FacetoryError, match="differs from the hash in its manifest"):
        audit_leakage(AuditSpec(synthesis=spec()), **street)
