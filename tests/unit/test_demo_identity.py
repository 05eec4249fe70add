"""The released identity models of the demo: whole, able to tell unseen people apart, and listening.

rendered_people.jpg shows ten people that neither network saw, two images of each in a row.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from facetory.adaptdiff.generator import load_generator
from facetory.diffusion.backbone import load_vae
from facetory.diffusion.latents import posterior
from facetory.diffusion.pixels import to_unit
from facetory.diffusion.schedule import add_noise, alpha_bars, linear_betas
from facetory.pipeline.config import WORKFLOW
from facetory.pipeline.files import FacetoryError, read_json, sha256_of
from facetory.recognition import judges_catalogue
from facetory.recognition.identity import embedder
from facetory.recognition.judges_catalogue import IDENTITY, missing_identity
from PIL import Image

MODELS = WORKFLOW.parent / "models"
FOLDER = MODELS / "demo-identity"
NETWORKS = ("demo_context", "demo_judge")
PEOPLE = 10


@pytest.fixture(scope="module")
def faces():
    """(people, 2, 3, 64, 64) uint8."""
    with Image.open(Path(__file__).with_name("rendered_people.jpg")) as sheet:
        tiles = np.asarray(sheet).reshape(PEOPLE, 64, 2, 64, 3)
    return np.ascontiguousarray(tiles.transpose(0, 2, 4, 1, 3))


def test_the_files_are_those_of_the_manifest():
    record = read_json(FOLDER / "manifest.json")
    assert record["status"] == "trained" and len(record["sha256"]) == 3
    assert record["sha256"] == {file: sha256_of(FOLDER / file) for file in record["sha256"]}
    assert sum(file.stat().st_size for file in FOLDER.rglob("*") if file.is_file()) < 10e6


def test_the_catalogue_pins_the_networks():
    for name in NETWORKS:
        assert sha256_of(FOLDER / IDENTITY[name].file) == IDENTITY[name].sha256
        assert missing_identity(name, "nowhere") is None


def test_a_changed_network_is_refused(monkeypatch):
    other = {"demo_judge": IDENTITY["demo_judge"]._replace(file="context.safetensors")}
    monkeypatch.setattr("facetory.recognition.demo_identity.IDENTITY", other)
    with pytest.raises(FacetoryError, match="truncated or another file"):
        embedder("demo_judge")


def test_a_missing_network_is_named(monkeypatch):
    gone = {"demo_judge": IDENTITY["demo_judge"]._replace(folder="models/elsewhere")}
    monkeypatch.setattr(judges_catalogue, "IDENTITY", gone)
    assert "restore it from the project's repository" in missing_identity("demo_judge", "data")


def test_contexts_and_judge_share_no_weights():
    files = [(FOLDER / IDENTITY[name].file).read_bytes() for name in NETWORKS]
    assert len(files[0]) == len(files[1]) and files[0] != files[1]


@pytest.mark.parametrize("name", NETWORKS)
def test_strangers_are_told_apart(name, faces):
    embed = embedder(name)
    found = np.stack([embed(faces[:, k]) for k in range(2)], 1)
    np.testing.assert_allclose(np.linalg.norm(found, axis=2), 1, rtol=1e-5)
    cosines = found[:, 0] @ found[:, 1].T
    genuine, impostor = np.diag(cosines), cosines[~np.eye(PEOPLE, dtype=bool)]
    assert genuine.mean() > 0.4 > 0.2 > impostor.mean()
    assert (genuine[:, None] > impostor).mean() > 0.9


@pytest.mark.parametrize("name", NETWORKS)
def test_a_face_may_come_at_any_size(name, faces):
    embed = embedder(name)
    larger = faces[:, 0].repeat(2, axis=2).repeat(2, axis=3)
    assert (embed(larger) * embed(faces[:, 0])).sum(1).min() > 0.9


def test_the_generator_listens_to_its_context(faces):
    unet, about = load_generator(FOLDER / "generator")
    contexts = torch.from_numpy(embedder("demo_context")(faces[:, 0]))
    assert unet.architecture.context_size == contexts.shape[1] and about["latent"] == [4, 16, 16]
    vae = load_vae(MODELS / "demo-faces")
    assert about["scaling_factor"] == vae.config.scaling_factor
    alpha_bar = alpha_bars(linear_betas())
    noise = torch.randn(PEOPLE, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        latents = posterior(vae, to_unit(torch.from_numpy(faces[:, 0])))[0] * about["scaling_factor"]

        def error(told):
            of = []
            for t in (300, 500, 700):
                noisy = add_noise(latents, noise, alpha_bar[t])
                of.append((unet(noisy, torch.full((PEOPLE,), t), told) - noise).square().mean())
            return sum(of) / len(of)

        own, another, none = error(contexts), error(contexts.roll(1, 0)), error(torch.zeros_like(contexts))
    assert own < 0.98 * another and own < none < 1
