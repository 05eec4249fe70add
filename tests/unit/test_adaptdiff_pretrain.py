"""Pretraining the demo's identity networks and generator, at a size that one core trains in seconds."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from facetory.adaptdiff import pretrain
from facetory.adaptdiff.generator import load_generator
from facetory.adaptdiff.pretraining import Place, Pretraining, divided, people_of
from facetory.diffusion.pack import unpack
from facetory.pipeline.config import WORKFLOW
from facetory.pipeline.files import FacetoryError, read_json, sha256_of, write_tensors
from facetory.recognition.demo_identity import read_network
from facetory.recognition.iresnet import iresnet
from facetory.recognition.telling_apart import (
    centre,
    embedded,
    features_of,
    isotropy,
    separability,
    varied,
)
from facetory.training.loop import Schedule
from PIL import Image

PX, PEOPLE, EACH = 32, 24, 4


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """Flat faces: a person is a colour, each image a grey level of the background."""
    path = tmp_path_factory.mktemp("packed") / "packed.safetensors"
    draw = np.random.default_rng(0)
    files = []
    for colour in draw.integers(0, 256, (PEOPLE, 3)):
        for _ in range(EACH):
            face = np.full((PX, PX, 3), draw.integers(0, 256), dtype=np.uint8)
            face[6:26, 8:24] = colour
            buffer = io.BytesIO()
            Image.fromarray(face).save(buffer, format="JPEG", quality=95, subsampling=0)
            files.append(np.frombuffer(buffer.getvalue(), dtype=np.uint8))
    rows = PEOPLE * EACH
    tensors = {
        "bytes": np.concatenate(files),
        "offsets": np.cumsum([0, *map(len, files)], dtype=np.int64),
        "caption": np.zeros((rows, 1), dtype=np.int64),
        "tokens": np.zeros((2, 24, 384), dtype=np.float16),
        "held_out": np.arange(rows) < 4 * EACH,
    }
    sample_ids = [f"p{row // EACH:02d}_{row % EACH}" for row in range(rows)]
    write_tensors(path, tensors, {"px": PX, "captions": ["A face."], "sample_ids": sample_ids})
    return path


def settings(context, judge, generator):
    def schedule(steps, seed):
        common = {"checkpoint_every": 20, "log_every": 5, "validate_every": 40, "threads": 1}
        return Schedule(steps=steps, batch_size=16, lr=2e-3, warmup=2, decay="cosine", seed=seed, **common)

    return Pretraining(
        schedule(context, 0), schedule(judge, 1), schedule(generator, 0), embedding=8, dropout=0.0
    )


@pytest.fixture(scope="module")
def trained(packed, tmp_path_factory):
    root = tmp_path_factory.mktemp("trained")
    place = Place(packed, WORKFLOW.parent / "models" / "demo-faces", root / "models", root / "checkpoints")
    return place, pretrain.pretrain(settings(60, 5, 30), place)


def test_the_networks_tell_strangers_apart(trained):
    _, record = trained
    assert record["context"]["measured"]["held_out"]["eer"] < 0.2
    assert record["judge"]["measured"]["held_out"]["eer"] < 0.5
    assert record["context"]["people"] == record["judge"]["people"] == (PEOPLE - 4) // 2


def test_the_folder_holds_what_its_manifest_says(trained):
    place, record = trained
    written = read_json(place.folder / "manifest.json")
    assert written["status"] == "trained" and written["context"] == record["context"]
    files = ["context.safetensors", "generator/unet.safetensors", "judge.safetensors"]
    assert written["sha256"] == {file: sha256_of(place.folder / file) for file in files}
    unet, about = load_generator(place.folder / "generator")
    assert about["latent"] == [4, 8, 8] and unet.architecture.context_size == 8
    assert read_network(place.folder / "judge.safetensors")[1] == PX
    card = (place.folder / "README.md").read_text()
    assert "96 renders of 24 parametric heads" in card and f"{record['generator']['error']:.4f}" in card


def test_the_generator_learns(trained):
    _, record = trained
    assert record["generator"]["last"]["loss"] < 0.9
    assert 0 < record["generator"]["error"] < 0.95


def test_a_part_without_steps_is_kept(trained, tmp_path):
    place, record = trained
    again = pretrain.pretrain(settings(0, 8, 0), replace(place, checkpoints=tmp_path))
    for part in ("context", "generator"):
        assert again[part] == record[part] and again["spec"][part] == record["spec"][part]
    assert again["judge"]["steps"] == 8
    assert again["sha256"]["context.safetensors"] == record["sha256"]["context.safetensors"]
    assert again["sha256"]["judge.safetensors"] != record["sha256"]["judge.safetensors"]


def test_nothing_to_keep_is_an_error(packed, tmp_path):
    place = Place(packed, WORKFLOW.parent / "models" / "demo-faces", tmp_path / "new", tmp_path / "c")
    with pytest.raises(FacetoryError, match="holds no context to keep"):
        pretrain.pretrain(settings(0, 1, 1), place)


def test_the_networks_share_no_people():
    person = np.repeat(np.arange(10), 3)
    held_out = person == 4
    context, judge = (divided(person, held_out, turn) for turn in (0, 1))
    assert set(person[context[0]]) == {0, 2, 5, 7, 9} and set(person[judge[0]]) == {1, 3, 6, 8}
    for own, others, held in (context, judge):
        assert sorted([*own, *others, *held]) == list(range(30)) and set(person[held]) == {4}


def test_sample_ids_name_people():
    assert people_of(["a_b_0", "a_b_1", "c_0"]) == ["a_b", "a_b", "c"]
    with pytest.raises(FacetoryError, match="x: this sample id names no person"):
        people_of(["a_0", "x"])


def test_faces_are_varied_by_their_draws():
    faces = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0)) - 0.5
    draws = torch.full((3, 9), 0.5)
    draws[1, 0], draws[2, 5] = 0.2, 1.0
    found = varied(faces, draws)
    torch.testing.assert_close(found[0], faces[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(found[1], faces[1].flip(-1), atol=1e-5, rtol=0)
    torch.testing.assert_close(found[2], (1.25 * (faces[2] + 1) - 1).clamp(-1, 1), atol=1e-5, rtol=0)


def test_isotropy_by_hand():
    axes = np.concatenate([np.eye(3), -np.eye(3)])
    assert isotropy(axes) == pytest.approx({"mean_length": 0, "dimensions": 3})
    assert isotropy(np.eye(3)[:1]) == pytest.approx({"mean_length": 1, "dimensions": 1})


def test_all_pairs_are_scored():
    embeddings = np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    found = separability(embeddings, np.array([0, 0, 1, 1]))
    assert found["genuine_mean"] == 1 and found["impostor_mean"] == 0 and found["eer"] == 0


def test_embeddings_are_of_unit_length(trained):
    place, _ = trained
    network = read_network(place.folder / "context.safetensors")[0]
    images = torch.randint(0, 256, (5, 3, PX, PX), dtype=torch.uint8)
    found = embedded(network, images, np.array([4, 0]))
    assert found.shape == (2, 8)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)


def test_the_training_features_are_balanced(packed):
    images = torch.from_numpy(unpack(packed).images)
    rows = np.arange(0, len(images), 2)
    network = iresnet("small", PX, 8).eval()
    before = features_of(network, images, rows)
    centre(network, images, rows)
    torch.testing.assert_close(features_of(network, images, rows), before - before.mean(0), atol=1e-4, rtol=0)
