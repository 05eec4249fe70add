import json

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler
from emodc_street import CLASSES, build, train_spec
from facetory.cli.emodc import app
from facetory.diffusion.backbone import load_unet, load_vae
from facetory.emodc import generate
from facetory.emodc.generate import generate_emodc, read_generated, starting_noise
from facetory.emodc.generate_spec import EmoDCGenerateSpec
from facetory.emodc.train import train_emodc
from facetory.pipeline.files import FacetoryError, open_tensors, read_metadata, sha256_of, write_json
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """Backbone with an autoencoder, text, and a run of two steps."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("street")
    paths = build(folder)
    torch.manual_seed(0)
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        norm_num_groups=4,
        latent_channels=4,
        scaling_factor=0.5,
    )
    vae.save_pretrained(paths["backbone"] / "vae", safe_serialization=True)
    train_emodc(train_spec(steps=2), **paths, folder=folder / "run", checkpoints=folder / "checkpoints")
    return {"run": folder / "run", "text": paths["text"], "backbone": paths["backbone"]}


def spec(**changes):
    about = {"backbone": "demo", "dataset": "faces", "px": 64, "steps": 4, "train": train_spec(steps=2)}
    return EmoDCGenerateSpec(**(about | changes))


@pytest.fixture(scope="module")
def drawn(street, tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    generate_emodc(spec(), **street, folder=folder)
    return folder


def test_images_have_a_scale_a_class_and_a_place(drawn):
    images, scales, classes = read_generated(drawn / "images.safetensors")
    assert images.shape == (2, 3, 2, 3, 64, 64) and images.dtype == np.uint8
    assert scales == [3.0, 5.0] and classes == CLASSES
    manifest = json.loads((drawn / "manifest.json").read_text())
    assert manifest["status"] == "generated" and manifest["images"] == 12
    assert manifest["outputs"] == {"images.safetensors": sha256_of(drawn / "images.safetensors")}
    assert any(path.endswith("vae/diffusion_pytorch_model.safetensors") for path in manifest["inputs"])
    assert read_metadata(drawn / "images.safetensors")["prompts"] == ["…"] * 5


def plainly_drawn(street, scale, class_index, image):
    """One image by diffusers' scheduler, two forwards a step."""
    from facetory.diffusion import lora

    unet, vae = load_unet(street["backbone"]), load_vae(street["backbone"])
    lora.load(unet, street["run"] / "adapter.safetensors")
    with open_tensors(street["text"], "pt") as handle:
        tokens = handle.get_tensor("tokens")
    scheduler = DDIMScheduler.from_pretrained(street["backbone"], subfolder="scheduler")
    scheduler.set_timesteps(4)
    x = starting_noise(spec(), (4, 8, 8))[image : image + 1]
    with torch.inference_mode():
        for t in scheduler.timesteps:
            null, own = (unet(x, t, tokens[[i]]).sample for i in (-1, class_index))
            x = scheduler.step(null + scale * (own - null), t, x).prev_sample
        image = vae.decode(x / 0.5).sample
    return (127.5 * (image.clamp(-1, 1) + 1)).round()[0].numpy()


@pytest.mark.parametrize(("s", "k", "m"), [(0, 0, 0), (0, 2, 1), (1, 1, 0)])
def test_an_image_of_the_batch_is_the_one_drawn_alone(street, drawn, s, k, m):
    images, scales, _ = read_generated(drawn / "images.safetensors")
    alone = plainly_drawn(street, scales[s], k, m)
    assert np.abs(images[s, k, m].astype(int) - alone).max() <= 1


def test_only_the_prompt_and_the_scale_differ_within_a_place(street, drawn, tmp_path):
    """At guidance 0 every class gives the unguided image, another one in each place."""
    generate_emodc(spec(guidance_scales=(0.0,)), **street, folder=tmp_path)
    images = read_generated(tmp_path / "images.safetensors").images.astype(int)
    assert np.abs(images[0] - images[0, :1]).max() <= 1
    assert np.abs(images[0, 0, 0] - images[0, 0, 1]).mean() > 5


def test_more_images_or_classes_leave_the_first_ones_as_they_are(street, drawn, tmp_path):
    generate_emodc(spec(per_class=3, guidance_scales=(5.0,)), **street, folder=tmp_path)
    more = read_generated(tmp_path / "images.safetensors").images
    first = read_generated(drawn / "images.safetensors").images
    assert np.abs(more[0, :, :2].astype(int) - first[1]).max() <= 1


def test_another_seed_draws_others_and_the_same_seed_the_same(street, drawn, tmp_path):
    for seed in (0, 1):
        generate_emodc(spec(seed=seed), **street, folder=tmp_path / str(seed))
    again, other = (read_generated(tmp_path / s / "images.safetensors").images for s in "01")
    first = read_generated(drawn / "images.safetensors").images
    assert again.tobytes() == first.tobytes()
    assert np.abs(other.astype(int) - first).mean() > 5


def test_a_failed_run_draws_nothing(street, tmp_path):
    (tmp_path / "run").mkdir()
    write_json(tmp_path / "run" / "manifest.json", {"status": "failed", "reason": "diverged at step 7"})
    generate_emodc(spec(), **{**street, "run": tmp_path / "run"}, folder=tmp_path / "drawn")
    manifest = json.loads((tmp_path / "drawn" / "manifest.json").read_text())
    assert manifest["status"] == "not_run" and "diverged at step 7" in manifest["reason"]
    assert not (tmp_path / "drawn" / "images.safetensors").exists()


def test_latents_that_are_not_finite_are_refused(street, tmp_path, monkeypatch):
    monkeypatch.setattr(generate, "ddim", lambda predict, x, *rest: x / 0)
    with pytest.raises(FacetoryError, match="not finite"):
        generate_emodc(spec(), **street, folder=tmp_path)


def test_the_command_line_draws(street, tmp_path):
    inputs = [word for name in ("run", "text", "backbone") for word in (f"--{name}", str(street[name]))]
    asked = spec(per_class=1, guidance_scales=(3.0,)).canonical()
    words = ["generate", "--spec", asked, *inputs, "--folder", str(tmp_path)]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0
    assert read_generated(tmp_path / "images.safetensors").images.shape[:3] == (1, 3, 1)


def test_a_generation_has_a_readable_name():
    assert spec().id == f"faces-amdit-alpha_0.01-positive-seed0-generated-{spec().digest}"
    assert spec(dataset="other").slug()[-2:] == ["other", "generated"]
