"""Contexts: each face's embedding and its mirror image's, whatever stands beside it; what is left out."""

import numpy as np
import pytest
from facetory.adaptdiff import contexts
from facetory.adaptdiff.spec import ContextSpec
from facetory.faces.face_set import file_entry, write_face_file
from facetory.faces.spec import FaceSetSpec
from facetory.pipeline.files import FacetoryError, open_tensors, read_json, read_metadata, write_json
from facetory.recognition.identity import BATCH

SPEC = ContextSpec(faces=FaceSetSpec(dataset="drawn", px=8, alignment="none"), embedder="demo_context")
FACES = 21


def gathered(folder, found=None, status="gathered", **own):
    images = np.random.default_rng(0).integers(0, 256, (FACES, 3, 8, 8), dtype=np.uint8)
    images[3] = 0
    write_face_file(
        folder / "faces.safetensors",
        images,
        np.arange(FACES) // 3,
        np.arange(FACES) % 3,
        np.ones(FACES, dtype=bool) if found is None else found,
        {number: f"p{number}" for number in range(7)},
    )
    about = {"dataset": "drawn", "split": "train", "synthetic": False, "title": "drawn"}
    record = {"status": status, "files": [file_entry(folder, folder / "faces.safetensors")], "px": 8}
    write_json(folder / "manifest.json", {**record, "about": about, **own})
    return images, folder / "manifest.json"


def corners(images):
    """A network that sees two pixels and no face in black; it counts its batches' sizes."""
    sizes.append(len(images))
    pair = images[:, 0, 0, [0, -1]].astype(np.float64)
    with np.errstate(invalid="ignore"):
        return pair / np.linalg.norm(pair, axis=1, keepdims=True)


sizes: list[int] = []


@pytest.fixture(autouse=True)
def by_corners(monkeypatch):
    sizes.clear()
    monkeypatch.setattr(contexts, "embedder", lambda name, device, data_root: corners)


def read(folder):
    with open_tensors(folder / "contexts.safetensors") as handle:
        return handle.get_tensor("contexts"), read_metadata(folder / "contexts.safetensors")["sample_ids"]


def test_a_face_and_its_mirror_image(tmp_path):
    found = np.ones(FACES, dtype=bool)
    found[5] = False
    images, faces = gathered(tmp_path / "set", found)
    contexts.embed_contexts(SPEC, faces, tmp_path / "made")
    embedded, sample_ids = read(tmp_path / "made")
    kept = [row for row in range(FACES) if row not in (3, 5)]
    assert sample_ids == [f"p{row // 3}/{row % 3}" for row in kept]
    assert read_metadata(tmp_path / "made" / "contexts.safetensors")["left_out"] == ["p1/0", "p1/2"]
    assert embedded.dtype == np.float32 and embedded.shape == (FACES - 2, 2, 2)
    np.testing.assert_allclose(embedded[:, 0], corners(images[kept]), rtol=1e-6)
    np.testing.assert_array_equal(embedded[:, 0], embedded[:, 1, ::-1])
    record = read_json(tmp_path / "made" / "manifest.json")
    assert (record["status"], record["faces"], record["left_out"]) == ("embedded", FACES - 2, 2)


def test_every_forward_pass_is_of_one_size(tmp_path):
    _, faces = gathered(tmp_path / "set")
    contexts.embed_contexts(SPEC, faces, tmp_path / "made")
    assert sizes == [BATCH] * 4


def test_a_set_that_was_not_gathered_gives_its_reason(tmp_path):
    _, faces = gathered(tmp_path / "set", status="not_run", reason="casia is not placed")
    contexts.embed_contexts(SPEC, faces, tmp_path / "made")
    record = read_json(tmp_path / "made" / "manifest.json")
    assert record["status"] == "not_run" and "casia is not placed" in record["reason"]
    assert not (tmp_path / "made" / "contexts.safetensors").exists()


def test_a_set_without_faces_is_an_error(tmp_path):
    _, faces = gathered(tmp_path / "set", np.zeros(FACES, dtype=bool))
    with pytest.raises(FacetoryError, match="none of its 21 pictures"):
        contexts.embed_contexts(SPEC, faces, tmp_path / "made")
