"""Affect-Diff's model: sizes, equations, readings, and masks through all of its parts."""

import math

import pytest
import torch
import torch.nn.functional as F
from facetory.affectdiff.classifier import attention_pool
from facetory.affectdiff.counts import parameter_counts
from facetory.affectdiff.layers import Dropout, GroupNorm, Linear, TransformerLayer, dropout, sinusoids
from facetory.affectdiff.model import AffectDiff
from facetory.affectdiff.spec import ModelSpec
from torch import nn

CODE = {
    "heads": 8,
    "prior_width": 64,
    "beta_range": (1e-4, 0.9999),
    "condition": "column_sums",
    "pooling": "mean_attention",
    "classifier_layers": 3,
    "classifier_dropout": 0.4,
    "modality_gate": True,
}
HOMEPAGE = {
    "latent": 256,
    "graph": "gumbel",
    "modality_norm": True,
    "classifier_layers": 1,
    "classify": "denoised",
    "logvar_max": 2.0,
    "decoder": True,
    "prior_width": 16,
}
SMALL = ModelSpec(dims=(5, 4, 3), hidden=16, latent=8, layers=1, prior_width=8, prior_timesteps=100)


def small(**fields):
    """A small model at test time, always of the same weights."""
    torch.manual_seed(0)
    return AffectDiff(SMALL.model_copy(update=fields)).eval()


def batch(dims=(5, 4, 3), size=3, length=12):
    torch.manual_seed(1)
    return [torch.randn(size, length, features) for features in dims]


def parameters_of(module):
    return sum(weight.numel() for weight in module.parameters())


def test_the_released_model_has_its_parameters():
    assert parameter_counts(ModelSpec(**CODE)) == {
        "total": 8_916_553,
        "trainable": 5_194_953,
        "without_prior": 1_473_353,
    }
    without = ModelSpec(**CODE | {"prior_width": 0})
    assert parameter_counts(without)["total"] == parameter_counts(without)["trainable"] == 1_473_353


def test_the_texts_model_has_its_parameters():
    counts = parameter_counts(ModelSpec(prior_width=64))
    assert list(counts.values()) == [8_883_718, 5_162_118, 1_440_518]
    assert parameter_counts(ModelSpec())["trainable"] - 1_440_518 == 14_717_568


def test_the_parts_have_their_parameters():
    with torch.device("meta"):
        code, paper = AffectDiff(ModelSpec(**CODE)), AffectDiff(ModelSpec())
    assert [parameters_of(encoder) for encoder in code.encoders] == [435_584, 444_544, 410_624]
    parts = {name: parameters_of(part) for name, part in code.named_children()}
    assert parts == {
        "encoders": 435_584 + 444_544 + 410_624,
        "graph": 33_024,
        "gate": 24_835,
        "fusion": 66_048,
        "posterior": 33_024,
        "classifier": 25_670,
        "prior": 3_721_600,
    }
    assert parameters_of(paper.classifier) == 17_542 + 128


@pytest.mark.parametrize("fields", [{}, CODE, CODE | {"masks": True}, HOMEPAGE | {"masks": True}])
def test_every_reading_learns(fields):
    """Classification and noise prediction reach every weight but those of the gate, which has no effect."""
    torch.manual_seed(0)
    spec = ModelSpec(**fields)
    model, streams = AffectDiff(spec), batch(spec.dims, 2, 50)
    mask = torch.ones(2, 3, 50, dtype=torch.bool)
    mask[0, :, 40:] = False
    encoded = model.encode(streams, mask, torch.randn(2, 50, spec.latent))
    z = encoded.z.transpose(1, 2)
    noise = model.prior(z, torch.tensor([3, 999]), torch.tensor([1, 6]), encoded.condition, encoded.valid)
    logits = model.classify(model.classified_latent(encoded, torch.randn_like(encoded.z)), encoded.valid)
    loss = F.cross_entropy(logits, torch.tensor([0, 5])) + noise.square().mean()
    if model.decoder is not None:
        loss = loss + sum(part.square().mean() for part in model.decoder(encoded.z))
    loss.backward()
    assert logits.shape == (2, 6) and logits.isfinite().all()
    silent = {name for name, weight in model.named_parameters() if weight.grad is None}
    assert {name.split(".")[0] for name in silent} == ({"gate"} if spec.modality_gate else set())
    assert all(w.grad.isfinite().all() for w in model.parameters() if w.grad is not None)


@pytest.mark.parametrize("heads", [4, 8])
@pytest.mark.parametrize("padded", [False, True])
def test_a_layer_is_torchs(heads, padded):
    torch.manual_seed(0)
    theirs = nn.TransformerEncoderLayer(
        128, heads, 512, 0.3, "gelu", batch_first=True, norm_first=True
    ).eval()
    ours = TransformerLayer(128, heads, 0.3).eval()
    attention = theirs.self_attn
    pairs = [
        (ours.qkv.weight, attention.in_proj_weight),
        (ours.qkv.bias, attention.in_proj_bias),
        (ours.out.weight, attention.out_proj.weight),
        (ours.out.bias, attention.out_proj.bias),
    ]
    for mine, of_theirs in (
        (ours.attention_norm, theirs.norm1),
        (ours.norm, theirs.norm2),
        (ours.mlp[0], theirs.linear1),
        (ours.mlp[3], theirs.linear2),
    ):
        pairs += [(mine.weight, of_theirs.weight), (mine.bias, of_theirs.bias)]
    with torch.no_grad():
        for mine, of_theirs in pairs:
            of_theirs.add_(0.1 * torch.randn_like(of_theirs))
            mine.copy_(of_theirs)
    assert parameters_of(ours) == parameters_of(theirs)
    x = torch.randn(3, 20, 128)
    keys = torch.arange(20) < torch.tensor([20, 11, 1])[:, None] if padded else None
    expected = theirs(x, src_key_padding_mask=None if keys is None else ~keys)
    found = ours(x, keys)
    inside = torch.ones(3, 20, dtype=torch.bool) if keys is None else keys
    assert torch.allclose(found[inside], expected[inside], atol=1e-5)


def test_the_number_of_heads_is_a_reading():
    """4 or 8 heads have the same weights, and make another model of them."""
    four, eight = small(heads=4), small(heads=8)
    assert all(torch.equal(a, b) for a, b in zip(four.parameters(), eight.parameters(), strict=True))
    assert not torch.allclose(four(batch()), eight(batch()), atol=1e-4)


def test_training_attends_as_testing_does():
    torch.manual_seed(0)
    layer, x = TransformerLayer(16, 4, 1e-9), torch.randn(2, 7, 16)
    keys = torch.arange(7) < torch.tensor([7, 3])[:, None]
    assert torch.allclose(layer.train()(x, keys), layer.eval()(x, keys), atol=1e-5)


def test_a_linear_layer_is_torchs():
    torch.manual_seed(0)
    layer, x = Linear(12, 7), torch.randn(3, 5, 12, requires_grad=True)
    found, expected = layer(x), F.linear(x, layer.weight, layer.bias)
    weights = torch.randn_like(found)
    inputs = (x, layer.weight, layer.bias)
    gradients = [torch.autograd.grad((y * weights).sum(), inputs) for y in (found, expected)]
    assert torch.allclose(found, expected, atol=1e-6)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*gradients, strict=True))
    assert torch.allclose(layer(x[:, 0]), expected[:, 0], atol=1e-6)


def test_dropout_drops_its_share_and_keeps_the_mean():
    torch.manual_seed(0)
    dropped = dropout(torch.ones(301, 1001), 0.3)
    assert dropped.unique().tolist() == [0, pytest.approx(1 / 0.7)]
    assert (dropped == 0).double().mean().item() == pytest.approx(0.3, abs=0.003)
    pairs = (dropped[:, 1:] == 0) & (dropped[:, :-1] == 0)
    assert pairs.double().mean().item() == pytest.approx(0.09, abs=0.003)
    torch.manual_seed(0)
    assert torch.equal(dropout(torch.ones(301, 1001), 0.3), dropped)
    assert torch.equal(Dropout(0.3).eval()(dropped), dropped)


def test_group_norm_of_the_measured_part_alone():
    torch.manual_seed(0)
    norm, x = GroupNorm(2, 4), torch.randn(2, 4, 9)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    lengths = (9, 4)
    mask = (torch.arange(9) < torch.tensor(lengths)[:, None])[:, None].float()
    found = norm(x, mask)
    for row, length in enumerate(lengths):
        assert torch.allclose(found[row, :, :length], norm(x[row : row + 1, :, :length])[0], atol=1e-5)
        assert found[row, :, length:].eq(0).all()


def test_sinusoids():
    encoded = sinusoids(torch.tensor([0, 3]), 4)
    expected = [math.sin(3), math.sin(0.03), math.cos(3), math.cos(0.03)]
    assert encoded[0].tolist() == [0, 0, 1, 1]
    assert encoded[1].tolist() == pytest.approx(expected, rel=1e-5)


def test_attention_pooling_by_hand():
    """Eq. 11: q = (1, 0), z of two positions; and over the valid position alone."""
    z, query = torch.tensor([[[2.0, 1.0], [0.0, 5.0]]]), torch.tensor([1.0, 0.0])
    share = math.exp(2 / math.sqrt(2)) / (math.exp(2 / math.sqrt(2)) + 1)
    expected = [2 * share, share + 5 * (1 - share)]
    assert attention_pool(z, query)[0].tolist() == pytest.approx(expected, rel=1e-5)
    assert attention_pool(z, query, torch.tensor([[False, True]]))[0].tolist() == [0, 5]


def test_the_released_code_pools_twice():
    model = small(pooling="mean_attention", classifier_layers=1)
    z, classifier = torch.randn(2, 12, 8), model.classifier
    pooled = (attention_pool(z, classifier.query) + z.mean(1)) / 2
    assert torch.allclose(model.classify(z), classifier.layers(pooled), atol=1e-6)


def test_the_weights_gate_what_is_fused():
    """Eqs. 3 and 4; without a graph the features are fused as they are."""
    for kind in ("notears", "gumbel", "none"):
        model, streams = small(graph=kind), batch()
        encoded = model.encode(streams)
        hidden = [encoder(x) for encoder, x in zip(model.encoders, streams, strict=True)]
        if kind != "none":
            hidden = [h * w[:, None, None] for h, w in zip(hidden, encoded.weights.unbind(1), strict=True)]
            assert torch.allclose(encoded.weights, encoded.adjacency.sum(1).softmax(-1))
        assert torch.allclose(encoded.fused, model.fusion(torch.cat(hidden, -1)), atol=1e-5)


def test_no_graph_has_no_edges_and_even_weights():
    encoded = small(graph="none").encode(batch())
    assert encoded.adjacency.eq(0).all() and torch.allclose(encoded.weights, torch.full((3, 3), 1 / 3))
    assert encoded.condition.eq(1).all()


def test_the_posterior():
    """Eqs. 5 and 6; without the VAE, z is the mean."""
    model, noise = small(logvar_min=-0.1, logvar_max=0.1), torch.randn(3, 12, 8)
    encoded = model.encode(batch(), noise=noise)
    raw = model.posterior.logvar(encoded.fused)
    assert raw.abs().max() > 0.1
    assert torch.allclose(encoded.logvar, raw.clamp(-0.1, 0.1))
    assert torch.allclose(encoded.mean, model.posterior.mean(encoded.fused))
    assert torch.allclose(encoded.z, encoded.mean + noise * encoded.logvar.exp().sqrt(), atol=1e-6)
    assert torch.equal(model.encode(batch()).z, encoded.mean)
    deterministic = small(vae=False).encode(batch(), noise=noise)
    assert torch.equal(deterministic.z, deterministic.mean)


def test_what_the_prior_is_told_of_the_graph():
    streams = batch()
    told = {kind: small(condition=kind).encode(streams) for kind in ("softmax", "column_sums", "none")}
    a = told["softmax"].adjacency
    assert torch.equal(told["softmax"].condition, told["softmax"].weights)
    assert torch.equal(told["column_sums"].condition, a.sum(1)) and told["none"].condition.eq(1).all()
    assert not any(encoded.condition.requires_grad for encoded in told.values())


def test_gumbel_edges_are_drawn_in_training_only():
    model, streams = small(graph="gumbel", dropout=0.0), batch()
    model.temperature.fill_(0.5)
    first, second = (model.encode(streams).adjacency for _ in range(2))
    assert torch.equal(first, second)
    model.train()
    torch.manual_seed(0)
    drawn = [model.encode(streams).adjacency for _ in range(2)]
    assert not torch.equal(*drawn)
    assert all(a.sum(-1).lt(1).all() for a in drawn)


def test_the_denoised_latent_is_that_of_the_prior():
    """In training ẑ_0 = (z_t − √(1−ᾱ) ε̂) / √ᾱ at 0.3 T, with z's own gradient and none for the prior."""
    model, noise = small(classify="denoised"), torch.randn(3, 12, 8)
    model.train()
    encoded = model.encode(batch(), noise=noise)
    found = model.classified_latent(encoded, noise)
    t, null = torch.full((3,), 29), torch.full((3,), 6)
    alpha_bar = model.prior.alpha_bars[29]
    z_t = alpha_bar.sqrt() * encoded.z + (1 - alpha_bar).sqrt() * noise
    predicted = model.prior(z_t.transpose(1, 2), t, null, encoded.condition).transpose(1, 2)
    expected = (z_t - (1 - alpha_bar).sqrt() * predicted) / alpha_bar.sqrt()
    assert torch.allclose(found, expected, atol=1e-5)
    gradient, *others = torch.autograd.grad(
        found.sum(), [encoded.z, *model.prior.parameters()], allow_unused=True
    )
    assert gradient.eq(1).all() and others == [None] * len(others)


def test_classifying_denoised_latents_is_deterministic_and_needs_a_prior():
    model, streams = small(classify="denoised"), batch()
    logits = model(streams)
    assert torch.equal(model(streams), logits)
    assert not torch.allclose(logits, model.classify(model.encode(streams).z), atol=1e-4)
    with pytest.raises(ValueError, match="prior"):
        small(classify="denoised", prior_width=0)


KINDS = [
    {},
    {"pooling": "mean_attention", "condition": "column_sums"},
    {"graph": "gumbel", "modality_norm": True, "classify": "denoised"},
    {"graph": "none"},
]


def lengths_mask(lengths, length):
    """(B, 3, L), with the second sample's audio missing and a gap in the first one's video."""
    mask = (torch.arange(length) < torch.tensor(lengths)[:, None])[:, None].repeat(1, 3, 1)
    mask[1, 1] = False
    mask[0, 2, 3:5] = False
    return mask


@pytest.mark.parametrize("fields", KINDS)
def test_a_full_mask_is_no_mask(fields):
    streams, mask = batch(), torch.ones(3, 3, 12, dtype=torch.bool)
    whole = small(**fields, masks=True)(streams, mask)
    assert torch.allclose(whole, small(**fields)(streams), atol=1e-5)
    assert torch.allclose(whole, small(**fields, masks=True)(streams), atol=1e-5)


@pytest.mark.parametrize("fields", KINDS)
def test_what_was_not_measured_changes_nothing(fields):
    """Other values where nothing was measured, even none at all, and more padding."""
    model, streams, mask = small(**fields, masks=True), batch(), lengths_mask((12, 9, 5), 12)
    logits = model(streams, mask)
    for garbage in (1e3, math.nan):
        other = [x.masked_fill(~mask[:, i, :, None], garbage) for i, x in enumerate(streams)]
        assert torch.allclose(model(other, mask), logits, atol=1e-5)
    for padding in (1, 2, 7):
        longer = [F.pad(x, (0, 0, 0, padding), value=3.0) for x in streams]
        assert torch.allclose(model(longer, F.pad(mask, (0, padding))), logits, atol=1e-5)


@pytest.mark.parametrize("fields", KINDS)
def test_a_sample_does_not_depend_on_its_neighbours(fields):
    model, streams, mask = small(**fields, masks=True), batch(), lengths_mask((12, 9, 5), 12)
    logits = model(streams, mask)
    for row in range(3):
        alone = model([x[row : row + 1] for x in streams], mask[row : row + 1])
        assert torch.allclose(alone[0], logits[row], atol=1e-5)


def test_nothing_is_encoded_where_nothing_was_measured():
    model, mask = small(masks=True), lengths_mask((12, 9, 5), 12)
    encoded = model.encode(batch(), mask, torch.randn(3, 12, 8))
    outside = ~encoded.valid
    assert torch.equal(encoded.valid, mask.any(1)) and outside.sum() == 3 + 7
    assert all(part[outside].eq(0).all() for part in (encoded.mean, encoded.logvar, encoded.z))
    assert encoded.weights[1, 1] == 0 and encoded.weights[1].sum().item() == pytest.approx(1)
    assert encoded.adjacency[1, 1].eq(0).all() and encoded.adjacency[1, :, 1].eq(0).all()


def test_text_alone_is_read():
    """Also in training: no gradient is lost to a missing modality."""
    model, mask = small(masks=True).train(), torch.zeros(3, 3, 12, dtype=torch.bool)
    mask[:, 0] = True
    streams = [batch()[0], *(torch.full_like(x, math.nan) for x in batch()[1:])]
    encoded = model.encode(streams, mask)
    assert torch.allclose(encoded.weights, torch.tensor([[1.0, 0, 0]] * 3))
    model.classify(encoded.z, encoded.valid).sum().backward()
    assert all(w.grad.isfinite().all() for w in model.parameters() if w.grad is not None)


def test_without_masks_none_is_read():
    streams, mask = batch(), lengths_mask((12, 9, 5), 12)
    model = small()
    assert torch.equal(model(streams, mask), model(streams))
    assert model.encode(streams, mask).valid is None
