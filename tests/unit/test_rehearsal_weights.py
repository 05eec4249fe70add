"""Fabricated weights: whole for the project's own readers, of sane size, equal when made again."""

import sys

import numpy as np
import pytest
import torch
from facetory.adaptdiff.released import authors_generator
from facetory.adaptdiff.spec import ContextSpec, GeneratorSpec
from facetory.data.mosei.foundation import foundations
from facetory.diffusion import backbone, catalogue, place, text, vq
from facetory.diffusion.architecture import new_unet
from facetory.emodc.prompts import ADJECTIVES, prompts
from facetory.faces.spec import FaceSetSpec
from facetory.pipeline.config import WORKFLOW, load_yaml
from facetory.pipeline.fabricated import MARKER
from facetory.pipeline.files import FacetoryError, read_json, sha256_of, write_json
from facetory.recognition.checkpoint import LISTS, check, read_weights
from facetory.recognition.facenet import facenet_embedder
from facetory.recognition.features import feature_network
from facetory.recognition.iresnet import iresnet
from facetory.recognition.judges_catalogue import FEATURES, IDENTITY
from facetory.rehearsal import backbones, checkpoints, first_stage, generators
from facetory.rehearsal import foundations as hub
from facetory.rehearsal.random_weights import (
    BLOCK,
    calibrate,
    centre,
    fill,
    hollow,
    pictures,
    random_tensors,
    shapes_of,
)
from facetory.rehearsal.saving import foreign_class, save_torch
from facetory.rehearsal.weights import WEIGHTS, fabricate_weights
from torch import nn

SMALL_TEXT = backbones.TEXT_ENCODER | {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
}  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def test_values_follow_from_name_and_shape():
    shapes = {
        "a.weight": (3000, 400),
        "a.bias": (9,),
        "bn.weight": (4,),
        "bn.bias": (4,),
        "bn.running_var": (4,),
    }
    shapes |= {"prelu.weight": (4,), "bn.num_batches_tracked": (), "cls_token": (1, 1, 64)}
    found, again = random_tensors(shapes), random_tensors(shapes)
    assert all(torch.equal(tensor, again[key]) for key, tensor in found.items())
    assert found["a.weight"].std().item() == pytest.approx(400**-0.5, rel=0.01)
    assert found["cls_token"].std().item() == pytest.approx(64**-0.5, rel=0.5)
    assert len(found["a.weight"].unique(dim=0)) == 3000 and BLOCK < 3000 * 400
    assert (
        found["a.bias"].eq(0).all() and found["bn.weight"].eq(1).all() and found["bn.running_var"].eq(1).all()
    )
    assert found["prelu.weight"].eq(0.25).all() and found["bn.num_batches_tracked"].dtype == torch.int64
    assert not torch.equal(random_tensors(shapes, seed=1)["a.weight"], found["a.weight"])


def test_a_module_is_filled_where_it_lies():
    layer = fill(nn.Linear(30, 20).bfloat16())
    expected = random_tensors(shapes_of(layer))
    torch.testing.assert_close(layer.weight.float(), expected["weight"], rtol=0.02, atol=0.002)


def test_calibration_keeps_deep_maps_small_and_a_centred_head_decides_differently():
    network, images = fill(iresnet("small", 64, 8)), pictures(16, 64)
    calibrate(network, images)
    with torch.no_grad():
        described = network(images)
    assert described.std() > 0.5 and torch.nn.functional.normalize(described).std(0).mean() > 0.1
    head = nn.Linear(8, 7)
    classifier = nn.Sequential(network, head)
    centre(classifier, head, images)
    with torch.no_grad():
        logits = classifier(images)
    torch.testing.assert_close(logits.mean(0), torch.zeros(7), rtol=0, atol=1e-4)
    assert logits.std(0).mean().item() == pytest.approx(1, abs=1e-3) and len(logits.argmax(1).unique()) > 2


def test_judges_of_full_size_tell_pictures_apart(tmp_path):
    fabricate_weights(tmp_path, ["inception", "facenet"])
    files = [f"weights/{released.file}" for released in (FEATURES["inception"], IDENTITY["facenet"])]
    write_json(tmp_path / MARKER, {"sha256": {file: sha256_of(tmp_path / file) for file in files}})
    images = (
        np.random.default_rng(0).integers(0, 256, (2, 3, 1, 1)).repeat(64, 2).repeat(64, 3).astype(np.uint8)
    )
    first, second = feature_network("inception", data_root=tmp_path).embed(images)
    assert 0.1 < first.std() < 10 and np.abs(first - second).mean() > 0.05
    with torch.no_grad():
        first, second = facenet_embedder(data_root=tmp_path)(images)
    assert first @ second < 0.95


def test_a_small_snapshot_is_read_as_the_hubs(tmp_path):
    folder = tmp_path / "weights" / "sd21-base"
    backbones.stable_diffusion(folder, "demo", SMALL_TEXT)
    spec = catalogue.backbone("sd21-base").model_copy(update={"sha256": {}, "scaling_factor": None})
    place.place(spec, tmp_path, tmp_path / "backbone.json")
    assert set(read_json(tmp_path / "backbone.json")["parameters"]) == {"unet", "vae", "text_encoder"}
    texts = prompts(list(ADJECTIVES))
    tokens = text.embed(texts, "clip", folder)
    assert tokens.shape == (len(texts), 77, 32) and tokens.std().item() == pytest.approx(1, abs=0.1)
    assert torch.cdist(tokens.flatten(1), tokens.flatten(1)).fill_diagonal_(torch.inf).min() > 1
    vae = backbone.load_vae(folder)
    with torch.no_grad():
        latents = vae.encode(pictures(2, 64)).latent_dist.mean * vae.config.scaling_factor
        pixels = vae.decode(latents / vae.config.scaling_factor).sample
        unet = backbone.load_unet(folder)
        size = (2, unet.config.in_channels, 8, 8)
        noise = unet(torch.randn(size), torch.tensor(500), torch.randn(2, 24, 384)).sample
    assert all(0.1 < part.std() < 10 for part in (latents, pixels, noise))


def test_tokens_are_numbered_as_in_clip(tmp_path):
    backbones.save_clip_tokenizer(tmp_path)
    vocabulary = read_json(tmp_path / "vocab.json")
    ends = {"!": 0, "<|startoftext|>": 49406, "<|endoftext|>": 49407}
    assert len(vocabulary) == 49_408 and ends.items() <= vocabulary.items()
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(tmp_path)
    ids = tokenizer(["a"], padding="max_length", max_length=5)["input_ids"][0]
    assert ids == [49406, vocabulary["a</w>"], 49407, 0, 0]
    lengths = [len(ids) for ids in tokenizer(prompts(list(ADJECTIVES)))["input_ids"]]
    assert max(lengths) < 77 and lengths[-1] == 2


def test_the_full_size_is_stable_diffusions():
    with torch.device("meta"):
        unet = new_unet("sd21")
    assert sum(weight.numel() for weight in unet.parameters()) == 865_910_724
    shapes = text_shapes = backbones.text_shapes()
    assert sum(np.prod(shape) for shape in shapes.values()) == 340_387_840 + 77
    assert text_shapes["text_model.encoder.layers.22.mlp.fc1.weight"] == (4096, 1024)
    assert backbones.old_name("decoder.mid_block.attentions.0.to_out.0.bias").endswith("0.proj_attn.bias")


@pytest.mark.parametrize("part", ["", "vae"])
def test_an_autoencoder_alone_has_the_catalogues_factor(tmp_path, part):
    name = "sd15-vae" if part else "sd-vae-ft-ema"
    backbones.autoencoder_alone(tmp_path / "weights" / name, part, "demo")
    place.place(catalogue.backbone(name), tmp_path, tmp_path / "backbone.json")
    assert backbone.placed_vae(tmp_path / "backbone.json").config.scaling_factor == 0.18215


def test_ldms_checkpoint_is_converted(tmp_path, monkeypatch):
    small = {"block_out_channels": (32, 64, 128), "num_vq_embeddings": 40, "layers_per_block": 1}
    monkeypatch.setattr(vq, "VQ_F4", vq.VQ_F4 | small)
    assert {vq.own_name(key) for key in first_stage.ldm_shapes()} == set(shapes_of(vq_model()))
    fabricate_weights(tmp_path, ["vq-f4"])
    place.place(catalogue.backbone("vq-f4"), tmp_path, tmp_path / "backbone.json")
    vae = backbone.placed_vae(tmp_path / "backbone.json")
    with torch.no_grad():
        latents = vae.encode(pictures(1, 32)).latents
    assert latents.shape == (1, 3, 8, 8) and 0.1 < latents.std() < 10
    first_stage.save_checkpoint(tmp_path / "model.ckpt", {})
    with pytest.raises(FacetoryError, match="pytorch_lightning"):
        read_weights(tmp_path / "model.ckpt")


def vq_model():
    from diffusers import VQModel

    with torch.device("meta"):
        return VQModel(**vq.VQ_F4)


@pytest.mark.parametrize("name", ["apvit", "poster", "posterpp"])
def test_classifiers_checkpoints_hold_what_is_listed(tmp_path, name):
    listed = read_json(LISTS / f"{name}.json")
    path = tmp_path / "checkpoints" / checkpoints.FILES[name]
    checkpoints.save_authors_file(name, path, hollow(listed["weights"]))
    check(read_weights(path, listed["blanks"]), listed["weights"] | listed.get("unused", {}), name, path)


def test_a_generators_checkpoint_is_read_strictly(tmp_path):
    path = tmp_path / generators.FILES["ffhq"]
    torch.save(generators.diffusion_state(hollow(generators.unet_shapes(), 0.5)), path)
    contexts = ContextSpec(faces=FaceSetSpec(dataset="ffhq"))
    spec = GeneratorSpec(dataset="ffhq", backbone="vq-f4", px=128, weights=path.name, contexts=contexts)
    unet, about = authors_generator(spec, path)
    assert about["origin"]["tensors"] == 842 and bool((unet.final.bias == 0.5).all())


def test_foundations_have_their_published_names():
    assert hub.old_name("bert", "bert.embeddings.LayerNorm.bias") == "bert.embeddings.LayerNorm.beta"
    key = "encoder.pos_conv_embed.conv.parametrizations.weight.original0"
    assert hub.old_name("wav2vec2", key) == "encoder.pos_conv_embed.conv.weight_g"
    assert hub.old_name("roberta", "roberta.embeddings.LayerNorm.bias").endswith("LayerNorm.bias")
    weights = hub.hub_weights("hubert", hub.planned("hubert", num_hidden_layers=1, intermediate_size=16))
    gain, kernel = (weights[f"encoder.pos_conv_embed.conv.weight_{part}"] for part in "gv")
    torch.testing.assert_close(gain, kernel.norm(dim=(0, 1), keepdim=True))


def test_all_that_the_papers_scale_wants_placed_is_there():
    scale = load_yaml(WORKFLOW / "scales" / "paper.yaml")
    wanted = {
        file
        for recipe in scale["recognition"]["recipes"].values()
        for file in recipe.get("weights", {}).values()
    }
    wanted |= set(scale["adaptdiff"]["generator"]["weights"].values())
    files = {*checkpoints.FILES.values(), *generators.FILES.values()}
    assert wanted == {f"checkpoints/{file}" for file in files}
    names = {scale["emodc"]["backbone"], scale["smc"]["backbone"], scale["smc"]["code_backbone"]}
    names |= {scale["adaptdiff"]["backbone"], *foundations(), *checkpoints.FILES}
    assert names - {"minilm"} <= set(WEIGHTS)
    with pytest.raises(FacetoryError, match="Did you mean 'facenet'"):
        fabricate_weights(WORKFLOW, ["facene"])


def test_a_borrowed_name_is_given_back():
    with foreign_class("no_such_library.parts.Meter") as meter:
        assert sys.modules["no_such_library.parts"].Meter is meter
    assert not any(name.startswith("no_such_library") for name in sys.modules)


def test_equal_content_gives_equal_bytes(tmp_path):
    for name in ("a.pth", "b.pth"):
        save_torch(tmp_path / name, random_tensors({"weight": (3, 4)}))
    assert (tmp_path / "a.pth").read_bytes() == (tmp_path / "b.pth").read_bytes()
