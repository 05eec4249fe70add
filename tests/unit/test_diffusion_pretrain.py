"""Packing renders and pretraining the demo's backbone on them, at a size that two cores train in seconds."""

import json

import numpy as np
import pytest
import torch
from facetory.data.index import Sample, write_index
from facetory.diffusion import backbone, pack, pretrain
from facetory.diffusion.denoising import Latents
from facetory.diffusion.pretrain_unet import denoising
from facetory.diffusion.pretrain_vae import laplacian_l1
from facetory.diffusion.schedule import alphas_cumprod
from facetory.diffusion.unconditional import load_unconditional
from facetory.pipeline.files import FacetoryError, read_json, sha256_of
from facetory.pipeline.randomness import sample_keys
from facetory.training.loop import Schedule
from PIL import Image, ImageDraw

BACKGROUNDS = ("red", "green", "blue")


@pytest.fixture(scope="module")
def renders(tmp_path_factory):
    """Drawn faces of twelve people, four images each, with captions."""
    folder = tmp_path_factory.mktemp("renders")
    samples = []
    for index in range(48):
        draw = np.random.default_rng(index)
        skin, background = ("fair", "dark")[index // 4 % 2], BACKGROUNDS[index % 3]
        image = Image.new("RGB", (96, 96), background)
        pen = ImageDraw.Draw(image)
        pen.ellipse((15, 8, 81, 90), fill=(230, 190, 160) if skin == "fair" else (120, 80, 60))
        for x in (36, 60):
            pen.ellipse((x - 6, 34, x + 6, 42), fill="white")
        width, height = draw.integers(6, 18), draw.integers(1, 9)
        pen.ellipse((48 - width, 68 - height, 48 + width, 68 + height), fill=(150, 30, 30))
        (folder / "images").mkdir(exist_ok=True)
        image.save(folder / "images" / f"{index}.png")
        scene = f"A photo, lit from the front, before a {background} background."
        caption = f"A photo of a person with {skin} skin. {scene}"
        samples.append(
            Sample(f"s{index}", "train", "neutral", f"p{index // 4}", f"images/{index}.png", caption)
        )
    write_index(folder, samples, ["neutral"])
    return folder


@pytest.fixture(scope="module")
def packed(renders, tmp_path_factory):
    path = tmp_path_factory.mktemp("packed") / "packed.safetensors"
    counts = pack.pack(renders, path, px=32)
    assert counts["images"] == 48 and counts["captions"] == 5 and counts["held_out"] == 4
    return path


def test_packed_images_and_captions_come_back(renders, packed):
    data = pack.unpack(packed)
    assert data.images.shape == (48, 3, 32, 32) and data.images.dtype == np.uint8
    with Image.open(renders / "images" / "7.png") as image:
        original = np.asarray(image.resize((32, 32), Image.Resampling.LANCZOS)).astype(float)
    row = data.sample_ids.index("s7")
    assert np.abs(data.images[row].transpose(1, 2, 0) - original).mean() < 4
    assert [data.captions[c] for c in data.caption[row]] == [
        "A photo of a person with dark skin.",
        "A photo, lit from the front, before a green background.",
    ]
    assert data.tokens.shape == (6, 24, 384)
    people = {int(i[1:]) // 4 for i, held in zip(data.sample_ids, data.held_out, strict=True) if held}
    assert len(people) == 1


def test_captions_lose_clauses_to_fit():
    def count(texts):
        return [len(text.replace(",", "").replace(".", "").split()) for text in texts]

    captions = [
        "A photo, lit from above, looking up.",
        "A photo, dark.",
        "A photo, lit from above, looking up.",
    ]
    assert pack.fitted(captions, 5, count) == [
        "A photo, lit from above.",
        "A photo, dark.",
        "A photo, lit from above.",
    ]
    with pytest.raises(FacetoryError, match=r"first clause of 'A photo\.'"):
        pack.fitted(captions, 1, count)


def test_the_rarest_captions_are_merged():
    captions = ["A, b, c."] * 3 + ["A, b, d."] * 2 + ["A, e, f."]
    assert pack.merged(captions, 3) == captions
    assert pack.merged(captions, 2) == ["A, b, c."] * 3 + ["A."] * 3
    with pytest.raises(FacetoryError, match="distinct first clauses"):
        pack.merged(["A.", "B.", "C."], 2)


def test_the_laplacian_sees_edges_not_levels():
    level, edge = torch.full((1, 1, 16, 16), 0.5), torch.zeros(1, 1, 16, 16)
    edge[..., 8:] = 0.5
    edge[..., 1::2, 3] = 0.5
    assert laplacian_l1(level) == 0 and laplacian_l1(edge) > 0


def settings(vae_steps, unet_steps, **own):
    common = {"checkpoint_every": 20, "log_every": 2, "threads": 1, "warmup": 2, "ema": 0.9}
    return pretrain.Pretraining(
        Schedule(steps=vae_steps, batch_size=8, lr=1e-3, **common),
        Schedule(steps=unet_steps, batch_size=32, lr=2e-3, **common),
        **{"latent_channels": 4} | own,
    )


def logged(path):
    return [json.loads(line)["loss"] for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def trained(packed, tmp_path_factory):
    root = tmp_path_factory.mktemp("pretrained")
    place = pretrain.Place(packed, root / "demo", root / "checkpoints")
    return root, place, pretrain.pretrain(settings(24, 40), place)


def test_both_losses_fall(trained):
    root, _, record = trained
    vae, unet = (logged(root / "checkpoints" / f"{part}-log" / "progress.jsonl") for part in ("vae", "unet"))
    assert np.mean(vae[-3:]) < 0.8 * vae[0]
    assert np.mean(unet[-5:]) < 0.7 * unet[0]
    assert record["unet"]["error"] < 0.7 and record["vae"]["psnr"] > 9


def test_the_snapshot_is_diffusers_own(trained):
    root, _, record = trained
    folder = root / "demo"
    vae, unet = backbone.load_vae(folder), backbone.load_unet(folder, sha256=record["sha256"])
    assert vae.config.latent_channels == unet.config.in_channels == 4
    assert vae.config.scaling_factor == record["vae"]["scaling_factor"]
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) < 15e6
    assert record["sha256"]["unet/config.json"] == sha256_of(folder / "unet" / "config.json")
    assert read_json(folder / "manifest.json")["status"] == "trained"
    card = (folder / "README.md").read_text()
    assert "48 renders" in card and "4×4×4 latents" in card


def test_latents_have_unit_variance_once_scaled(trained, packed):
    _, place, record = trained
    data = pack.unpack(packed)
    mean, _ = pretrain.encoded(backbone.load_vae(place.folder), torch.from_numpy(data.images))
    scaled = mean[~torch.from_numpy(data.held_out)].float() * record["vae"]["scaling_factor"]
    assert scaled.std().item() == pytest.approx(1, abs=1e-3)


def test_a_part_with_no_steps_is_kept(trained):
    root, place, record = trained
    before = record["sha256"]["vae/diffusion_pytorch_model.safetensors"]
    other = pretrain.Place(place.packed, place.folder, root / "other-checkpoints")
    again = pretrain.pretrain(settings(0, 3), other)
    assert again["sha256"]["vae/diffusion_pytorch_model.safetensors"] == before
    assert again["unet"]["steps"] == 3 and again["vae"]["steps"] == 24


def test_captioned_and_unconditional_tasks_see_the_same_latents(packed):
    """Captions are chosen apart: without them latents, noise and timesteps of a step are those with them."""
    data = pack.unpack(packed)
    keys = torch.from_numpy(sample_keys(data.sample_ids))
    mean = torch.randn(48, 2, 4, 8, 8).half()
    latents = Latents(mean, torch.full_like(mean, -3), keys, 0.5)
    captioned, unconditional = (denoising(name, latents, data, seed=3) for name in ("demo", "demo-faces"))
    rows = torch.arange(0, 48, 5)
    first, second = (task._draws(rows, torch.tensor(7)) for task in (captioned, unconditional))
    assert (len(first), len(second)) == (4, 3) and first[3].shape == (10, 24, 384)
    assert all(torch.equal(a, b) for a, b in zip(first[:3], second, strict=True))
    assert captioned.size == unconditional.size == 44
    assert not torch.equal(captioned.alpha_bar, unconditional.alpha_bar)


def test_an_unconditional_model_is_pretrained_with_grey_faces(packed, tmp_path):
    """Its autoencoder saw grey faces, its UNet no captions, and the scheduler says how to sample."""
    from diffusers import DDPMScheduler

    place = pretrain.Place(packed, tmp_path / "faces", tmp_path / "checkpoints")
    record = pretrain.pretrain(
        settings(24, 40, architecture="demo-faces", latent_channels=None, grey=0.25), place
    )
    assert set(record["unet"]) >= {"error", "steps"} and "error_null" not in record["unet"]
    losses = logged(place.folder / "progress.jsonl")
    assert np.mean(losses[-5:]) < 0.8 * losses[0] and record["unet"]["error"] < 0.8
    unet = load_unconditional(place.folder, sha256=record["sha256"])
    assert unet.config.in_channels == 4 and record["vae"]["latent"] == [4, 8, 8]
    scheduler = DDPMScheduler.from_pretrained(place.folder, subfolder="scheduler")
    expected = alphas_cumprod(1000, 1e-4, 0.02)
    torch.testing.assert_close(scheduler.alphas_cumprod, expected, rtol=1e-4, atol=0)
    card = (place.folder / "README.md").read_text()
    assert "25% of the images without colour" in card and "--architecture demo-faces" in card


def test_the_commands_pack_and_pretrain(renders, tmp_path):
    from facetory.cli.backbone import app
    from typer.testing import CliRunner

    def facetory(*words):
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exit_code == 0, result.output
        return result.output

    assert "images: 48" in facetory(
        "pack", "--faces", renders / "index.csv", "--output", tmp_path / "packed", "--px", 32
    )
    common = (
        "--packed",
        tmp_path / "packed",
        "--folder",
        tmp_path / "demo",
        "--device",
        "cpu",
        "--log-every",
        1,
    )
    facetory("pretrain", *common, "--vae-steps", 1, "--vae-batch", 2, "--unet-steps", 0, "--threads", 1)
    assert read_json(tmp_path / "demo" / "manifest.json")["status"] == "only the vae is trained"
    facetory("pretrain", *common, "--vae-steps", 0, "--unet-steps", 1, "--unet-batch", 2, "--threads", 1)
    assert read_json(tmp_path / "demo" / "manifest.json")["status"] == "trained"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_compiled_on_the_gpu_it_trains_as_well(packed, tmp_path):
    place = pretrain.Place(packed, tmp_path / "demo", tmp_path / "checkpoints", "cuda", compiled=True)
    record = pretrain.pretrain(settings(24, 40), place)
    assert record["unet"]["error"] < 0.7 and record["vae"]["psnr"] > 9
