"""The identity-conditioned UNet against the released key list and a second, functional implementation."""

import json
import math
from pathlib import Path

import facetory.adaptdiff
import pytest
import torch
import torch.nn.functional as F
from facetory.adaptdiff.architectures import PRESETS, Architecture, architecture
from facetory.adaptdiff.blocks import sinusoids
from facetory.adaptdiff.released import authors_generator
from facetory.adaptdiff.spec import ContextSpec, GeneratorSpec
from facetory.adaptdiff.unet import IdentityUNet
from facetory.diffusion.schedule import alpha_bars, linear_betas
from facetory.faces.spec import FaceSetSpec
from facetory.pipeline.files import FacetoryError

LISTED = json.loads((Path(facetory.adaptdiff.__file__).parent / "checkpoints/idiff_face.json").read_text())


def spoken_to(**changes):
    """A small UNet in which no weight is zero, so that everything that it is told shows."""
    unet = IdentityUNet(architecture("ci_idiff", **changes)).eval()
    generator = torch.Generator().manual_seed(7)
    for weight in unet.parameters():
        weight.data = 0.2 * torch.randn(weight.shape, generator=generator)
    return unet


def inputs(batch=5, side=8):
    generator = torch.Generator().manual_seed(8)
    x = torch.randn(batch, 3, side, side, generator=generator)
    timestep = torch.randint(0, 1000, (batch,), generator=generator)
    return x, timestep, F.normalize(torch.randn(batch, 16, generator=generator))


def test_the_full_size_has_the_published_number_of_parameters_under_the_released_names():
    with torch.device("meta"):
        weights = IdentityUNet(PRESETS["idiff_face"]).state_dict()
    assert sum(weight.numel() for weight in weights.values()) == 216_341_187
    assert {name: list(weight.shape) for name, weight in weights.items()} == LISTED["weights"]


def test_metadata_give_the_architecture_back():
    for sizes in PRESETS.values():
        assert Architecture.of(json.loads(json.dumps(sizes.about()))) == sizes
    assert PRESETS["idiff_face"].widths() == (96, 192, 384, 768)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"attention": (True,)}, "2 levels, but 1 entries"),
        ({"groups": 3}, "8 channels do not divide by groups 3"),
        ({"context_channels": 6}, "6 channels do not divide by groups 4"),
        ({"head_channels": 7}, "16 channels do not divide by head_channels 7"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(changes, said):
    with pytest.raises(FacetoryError, match=said):
        architecture("ci_idiff", **changes)
    with pytest.raises(FacetoryError, match="Did you mean 'idiff_face'"):
        architecture("idif_face")


def attention(w, name, x, c, heads):
    """Softmax attention written out, on (batch, channels, length)."""
    q, k, v = (F.conv1d(y, *w(f"{name}.to_{p}")) for p, y in (("q", x), ("k", c), ("v", c)))
    q, k, v = (y.reshape(len(x), heads, -1, y.shape[-1]) for y in (q, k, v))
    weight = torch.einsum("bhct,bhcs->bhts", q, k) / math.sqrt(q.shape[2])
    return F.conv1d(
        torch.einsum("bhts,bhcs->bhct", weight.softmax(-1), v).flatten(1, 2), *w(f"{name}.proj_out")
    )


def attended(w, name, x, c, sizes):
    heads, groups = x.shape[1] // sizes.head_channels, sizes.groups
    tokens = F.linear(c, *w(f"{name}.c_proj_in")).reshape(len(c), sizes.context_channels, -1)
    tokens = F.group_norm(tokens, groups, *w(f"{name}.c_norm"))
    y = F.conv2d(x, *w(f"{name}.x_proj_in")).flatten(2)
    for told in ("self", "cross"):
        normed = F.group_norm(y, groups, *w(f"{name}.x_norm"))
        y = y + attention(w, f"{name}.{told}_attention", normed, normed if told == "self" else tokens, heads)
    normed = F.group_norm(y, groups, *w(f"{name}.x_norm")).mT
    y = y + F.linear(F.gelu(F.linear(normed, *w(f"{name}.ff.0"))), *w(f"{name}.ff.2")).mT
    return x + F.conv2d(y.reshape(x.shape), *w(f"{name}.x_proj_out"))


def residual(w, name, x, time, groups):
    emb = F.linear(F.silu(time), *w(f"{name}.time_emb.1"))
    y = F.conv2d(F.silu(F.group_norm(x, groups, *w(f"{name}.norm1"))), *w(f"{name}.conv1"), padding=1)
    scale, shift = (F.linear(emb, *w(f"{name}.{part}_emb"))[:, :, None, None] for part in ("scale", "shift"))
    y = (1 + scale) * F.group_norm(y, groups, *w(f"{name}.norm2.norm")) + shift
    y = F.conv2d(F.silu(y), *w(f"{name}.conv2"), padding=1)
    return y + (F.conv2d(x, *w(f"{name}.shortcut")) if x.shape[1] != y.shape[1] else x)


def functional(weights, sizes, x, timestep, context):
    """The forward pass, by the names in the state dict alone."""

    def w(name):
        return weights[f"{name}.weight"], weights[f"{name}.bias"]

    def block(name, x):
        x = residual(w, f"{name}.res", x, time, sizes.groups)
        return attended(w, f"{name}.attn", x, c, sizes) if f"{name}.attn.ff.0.bias" in weights else x

    half = sizes.initial_channels // 2
    angles = timestep[:, None] * 10_000.0 ** (-torch.arange(half) / half)
    time = F.linear(torch.cat([angles.cos(), angles.sin()], 1), *w("time_emb.lin1"))
    time = F.linear(F.silu(time), *w("time_emb.lin2"))
    c = F.linear(context, *w("context_emb"))
    x = F.conv2d(x, *w("image_proj"), padding=1)
    skips = [x]
    for index in range(2 * sizes.blocks + 1):
        name = f"down.{index}"
        halves = f"{name}.conv.weight" in weights
        x = F.conv2d(x, *w(f"{name}.conv"), stride=2, padding=1) if halves else block(name, x)
        skips.append(x)
    x = residual(w, "middle.res1", x, time, sizes.groups)
    x = residual(w, "middle.res2", attended(w, "middle.attn", x, c, sizes), time, sizes.groups)
    for index in range(2 * (sizes.blocks + 1) + 1):
        name = f"up.{index}"
        if f"{name}.conv.weight" in weights:
            x = F.conv_transpose2d(x, *w(f"{name}.conv"), stride=2, padding=1)
        else:
            x = block(name, torch.cat([x, skips.pop()], 1))
    return F.conv2d(F.silu(F.group_norm(x, sizes.groups, *w("norm"))), *w("final"), padding=1)


def test_the_forward_pass_is_the_released_one():
    unet = spoken_to(attention=(True, True))
    x, timestep, context = inputs()
    with torch.no_grad():
        expected = functional(unet.state_dict(), unet.architecture, x, timestep, context)
        torch.testing.assert_close(unet(x, timestep, context), expected, rtol=1e-4, atol=1e-4)
    assert expected.std() > 0.1


def test_contexts_projected_once_give_what_raw_contexts_give():
    unet = spoken_to()
    x, timestep, context = inputs()
    index = torch.tensor([1, 0, 1, 1, 0])
    with torch.no_grad():
        plain = unet(x, timestep, context[index])
        once = unet.project(context[:2])
        torch.testing.assert_close(unet(x, timestep, once.rows(index)), plain, rtol=1e-5, atol=1e-5)
        swapped = unet(x, timestep, once.rows(1 - index))
    assert (swapped - plain).abs().max() > 0.01


def test_the_empty_context_is_the_projections_bias():
    unet = spoken_to()
    x, timestep, _ = inputs()
    told = []
    unet.context_emb.register_forward_hook(lambda module, given, out: told.append(out))
    unet(x, timestep, torch.zeros(5, 16))
    assert torch.equal(told[0], unet.context_emb.bias.expand(5, -1))


def test_components_of_the_projected_context_are_dropped_in_training_alone():
    unet = spoken_to()
    told = []
    unet.context_dropout.register_forward_hook(lambda module, given, out: told.append((given[0], out)))
    contexts = F.normalize(torch.randn(2000, 16, generator=torch.Generator().manual_seed(0)))
    for training in (False, True):
        unet.train(training)
        torch.manual_seed(1)
        unet.project(contexts)
    (whole, kept_whole), (given, kept) = told
    assert torch.equal(whole, kept_whole)
    dropped = kept == 0
    assert dropped.float().mean() == pytest.approx(0.25, abs=0.01)
    assert dropped.any(1).float().mean() > 0.95, "components are dropped, not whole contexts"
    torch.testing.assert_close(kept[~dropped], given[~dropped] / 0.75)


def test_the_same_seed_drops_the_same_components():
    unet = spoken_to().train()
    x, timestep, context = inputs()
    drawn = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        drawn.append(unet(x, timestep, context))
    assert torch.equal(drawn[0], drawn[1]) and not torch.allclose(drawn[0], drawn[2])


def test_a_new_network_predicts_no_noise_and_listens_once_it_has_weights():
    x, timestep, context = inputs()
    new = IdentityUNet(PRESETS["ci_idiff"])
    assert not new(x, timestep, context).any()
    context.requires_grad_(True)
    spoken_to()(x, timestep, context).square().mean().backward()
    assert bool((context.grad.abs().amax(1) > 0).all())


def test_timesteps_by_hand():
    found = sinusoids(torch.tensor([0, 3]), 4)
    expected = [[1, 1, 0, 0], [math.cos(3), math.cos(0.03), math.sin(3), math.sin(0.03)]]
    torch.testing.assert_close(found, torch.tensor(expected))


def test_betas_by_hand():
    betas = linear_betas(1000)
    assert betas.shape == (1000,) and betas.dtype == torch.float64
    assert betas[[0, -1]].tolist() == pytest.approx([1e-4, 0.02])
    assert betas[500].item() == pytest.approx(1e-4 + 500 * 0.0199 / 999)
    short = alpha_bars(linear_betas(3, 0.1, 0.3))
    assert short.tolist() == pytest.approx([0.9, 0.72, 0.504])
    assert alpha_bars(betas)[-1].item() == pytest.approx(4.036e-5, rel=1e-3)


def spec(**changes):
    contexts = ContextSpec(faces=FaceSetSpec(dataset="ffhq"))
    asked = {"dataset": "ffhq", "backbone": "vq-f4", "px": 128, "weights": "idiff_face.ckpt"}
    return GeneratorSpec(**(asked | {"contexts": contexts} | changes))


def released(prefix="eps_model.", schedule=True, **changes):
    """A checkpoint of the full size that takes no space: every tensor repeats one number."""
    weights = {
        f"{prefix}{name}": torch.tensor(0.5).expand(shape) for name, shape in LISTED["weights"].items()
    }
    betas = torch.linspace(1e-4, 0.02, 1000)
    tables = {name: betas.clone() for name in LISTED["schedule"]} if schedule else {}
    found = weights | tables | {f"{prefix}{name}": tensor for name, tensor in changes.items()}
    return {name: tensor for name, tensor in found.items() if tensor is not None}


@pytest.mark.parametrize("kept", [released(), released("", schedule=False), {"state_dict": released()}])
def test_a_released_checkpoint_is_taken_whole(tmp_path, kept):
    torch.save(kept, tmp_path / "idiff_face.ckpt")
    unet, about = authors_generator(spec(), tmp_path / "idiff_face.ckpt")
    assert all(bool((weight == 0.5).all()) for weight in unet.state_dict().values())
    assert about["latent"] == [3, 32, 32] and about["scaling_factor"] == 1
    assert about["origin"]["tensors"] == 842 and len(about["origin"]["sha256"]) == 64


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (released(**{"context_emb.weight": None}), r"1 missing: context_emb\.weight"),
        (released(**{"empty_context_embedding": torch.zeros(256)}), "1 unexpected: empty_context_embedding"),
        (released(**{"final.bias": torch.zeros(4)}), r"1 misshapen: final\.bias \(4,\) instead of \(3,\)"),
        (released() | {"betas": torch.linspace(1e-4, 0.01, 1000)}, "betas from 0.0001 to 0.01 over 1000"),
        (released() | {"betas": torch.linspace(5e-5, 0.01, 2000)}, "over 2000 steps, not 0.0001 to 0.02"),
    ],
)
def test_any_other_checkpoint_is_refused_by_name(tmp_path, kept, said):
    torch.save(kept, tmp_path / "other.ckpt")
    with pytest.raises(FacetoryError, match=said):
        authors_generator(spec(), tmp_path / "other.ckpt")


def test_only_a_listed_architecture_has_authors_weights(tmp_path):
    with pytest.raises(FacetoryError, match="ci_idiff: no list of its authors' weights"):
        authors_generator(spec(architecture="ci_idiff"), tmp_path / "any.ckpt")
