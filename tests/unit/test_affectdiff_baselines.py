"""The five baselines: sizes, what masks leave out, losses by hand, gradients everywhere."""

from __future__ import annotations

import math

import pytest
import torch
from facetory.affectdiff.baselines import build_baseline, recipe
from facetory.affectdiff.baselines.layers import Network, Streams, attend, last, mean, view
from facetory.affectdiff.baselines.lite.tfn import outer_product
from facetory.affectdiff.baselines.norms import BatchNorm, GroupNorm
from facetory.affectdiff.baselines.objectives import (
    central_moment_discrepancy,
    gaussian_entropy,
    gaussian_log_likelihood,
    info_nce,
    moment_errors,
    squared_correlation,
    squared_overlap,
)
from facetory.affectdiff.baselines.recurrent import Recurrent
from facetory.affectdiff.baselines.transformer import Stream, Transformer, sinusoids
from facetory.affectdiff.spec import BaselineSpec
from facetory.pipeline.files import FacetoryError
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

DIMS = (9, 5, 4)
SMALL: dict[tuple[str, str], dict[str, int]] = {
    ("tfn", "lite"): {"projection": 3, "hidden": 8},
    ("mult", "lite"): {"hidden": 8, "heads": 2},
    ("misa", "lite"): {"hidden": 8, "subspace": 4},
    ("mmim", "lite"): {"hidden": 8},
    ("tetfn", "lite"): {"hidden": 16, "heads": 2},
    ("tfn", "faithful"): {"text": 4, "audio": 3, "video": 4, "fusion": 16},
    ("mult", "faithful"): {"hidden": 6, "heads": 2, "levels": 1, "memory_levels": 2},
    ("misa", "faithful"): {"hidden": 8, "feed_forward": 12, "recurrent": 3},
    ("mmim", "faithful"): {"text": 6, "hidden": 4, "fusion": 8},
    ("tetfn", "faithful"): {"hidden": 6, "heads": 3, "levels": 1, "recurrent": 4, "fusion": 16},
}
EVERY = pytest.mark.parametrize(("network", "size"), SMALL)


def _spec(**fields: object) -> BaselineSpec:
    return BaselineSpec.model_validate(fields)


def _small(network: str, size: str, masks: bool = True) -> Network:
    torch.manual_seed(0)
    spec = _spec(network=network, size=size, dims=DIMS, length=7, masks=masks, sizes=SMALL[network, size])
    return build_baseline(spec)


def _batch(batch: int = 6, length: int = 7, dims: tuple[int, int, int] = DIMS) -> tuple[Streams, Tensor]:
    """Streams with gaps; in the mask sample 0 misses audio, and sample 1 everything."""
    torch.manual_seed(1)
    text, audio, video = (torch.randn(batch, length, d) for d in dims)
    mask = torch.rand(batch, 3, length) < 0.7
    mask[:, :, 0] = True
    mask[0, 1] = mask[1] = False
    return (text, audio, video), mask


def _filled(streams: Streams, mask: Tensor, value: float) -> Streams:
    text, audio, video = (s.masked_fill(~mask[:, m, :, None], value) for m, s in enumerate(streams))
    return text, audio, video


@pytest.mark.parametrize(
    ("network", "parameters"),
    [("tfn", 644_230), ("mult", 756_038), ("misa", 153_094), ("mmim", 367_494), ("tetfn", 555_782)],
)
def test_lite_networks_have_the_published_number_of_parameters(network: str, parameters: int) -> None:
    built = build_baseline(_spec(network=network))
    assert sum(p.numel() for p in built.parameters()) == parameters


def test_the_faithful_tfn_has_the_parameters_of_its_layers() -> None:
    built = build_baseline(_spec(network="tfn", size="faithful"))
    text = 4 * 128 * (300 + 128 + 2) + 128 * 129
    audio = 2 * 74 + 16 * 75 + 2 * 16 * 17
    video = 2 * 35 + 128 * 36 + 2 * 128 * 129
    fusion = 16 * (129 * 17 * 129 + 1) + 16 * 17 + 6 * 17
    assert sum(p.numel() for p in built.parameters()) == text + audio + video + fusion


@EVERY
def test_every_network_runs_at_its_published_size(network: str, size: str) -> None:
    built = build_baseline(_spec(network=network, size=size, masks=True)).eval()
    streams, mask = _batch(3, 6, (300, 74, 35))
    with torch.no_grad():
        assert built(streams, mask).shape == (3, 6)
        assert built(streams).isfinite().all()


@EVERY
def test_values_that_were_not_measured_change_nothing(network: str, size: str) -> None:
    built = _small(network, size)
    streams, mask = _batch()
    labels = torch.arange(6)
    found = []
    for value in (0.0, 1e3):
        torch.manual_seed(2)  # training mode: dropout is the same, and batch statistics count
        logits, extra, _ = built.auxiliary(_filled(streams, mask, value), mask, labels)
        found.append(torch.cat([logits.flatten(), extra[None]]))
    torch.testing.assert_close(*found, rtol=0, atol=0)


@EVERY
def test_without_masks_zeros_count_as_published(network: str, size: str) -> None:
    built = _small(network, size, masks=False).eval()
    streams, mask = _batch()
    zeroed = _filled(streams, mask, 0.0)
    torch.testing.assert_close(built(zeroed, mask), built(zeroed), rtol=0, atol=0)
    assert not torch.allclose(built(zeroed, mask), built(_filled(streams, mask, 1.0), mask))


@EVERY
def test_masks_of_nothing_are_no_masks(network: str, size: str) -> None:
    streams, mask = _batch()
    found = [_small(network, size, masks).eval()(streams, torch.ones_like(mask)) for masks in (False, True)]
    torch.testing.assert_close(*found)


@EVERY
@pytest.mark.parametrize("left", [True, False])
def test_padding_changes_nothing(network: str, size: str, left: bool) -> None:
    built = _small(network, size).eval()
    streams, mask = _batch()
    streams = _filled(streams, mask, 0.0)
    pad = (3, 0) if left else (0, 3)
    text, audio, video = (nn.functional.pad(s, (0, 0, *pad)) for s in streams)
    padded = built((text, audio, video), nn.functional.pad(mask, pad))
    torch.testing.assert_close(padded, built(streams, mask), rtol=1e-5, atol=1e-5)


@EVERY
def test_gradient_flows_into_every_parameter_and_stays_finite(network: str, size: str) -> None:
    built = _small(network, size)
    for module in built.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    streams, mask = _batch(batch=24)
    logits, extra, _ = built.auxiliary(streams, mask, torch.arange(24) % 6)
    (nn.functional.cross_entropy(logits, torch.arange(24) % 6) + extra).backward()
    kept_as_drawn = {name for name, p in built.named_parameters() if not p.requires_grad}
    for name, parameter in built.named_parameters():
        if name not in kept_as_drawn:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().sum() > 0, name
    entropies = {f"likelihoods.{m}.entropy.{p}" for m in (0, 1) for p in ("weight", "bias")}
    assert kept_as_drawn == (entropies if (network, size) == ("mmim", "faithful") else set())


@EVERY
def test_half_precision_stays_finite(network: str, size: str) -> None:
    built = _small(network, size)
    streams, mask = _batch()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits, extra, _ = built.auxiliary(streams, mask, torch.arange(6))
    (logits.float().square().mean() + extra.float()).backward()
    assert logits.isfinite().all()
    assert all(p.grad.isfinite().all() for p in built.parameters() if p.grad is not None)


@EVERY
def test_own_losses_belong_to_misa_and_mmim_alone(network: str, size: str) -> None:
    built = _small(network, size).eval()
    streams, mask = _batch()
    logits, extra, numbers = built.auxiliary(streams, mask, torch.arange(6))
    torch.testing.assert_close(logits, built(streams, mask))
    assert bool(numbers) == (network in ("misa", "mmim")) == (extra.item() != 0)
    assert not any(number.requires_grad for number in numbers.values())
    weights = {
        ("misa", "lite"): {"similarity": 0.1, "difference": 0.1},
        ("mmim", "lite"): {"nce_modalities": 0.1, "nce_fusion": 0.1},
        ("misa", "faithful"): {"similarity": 0.8, "difference": 0.3, "reconstruction": 1.0},
        ("mmim", "faithful"): {"mi_modalities": -0.1, "nce_fusion": 0.1},
    }.get((network, size), {})
    assert extra.item() == pytest.approx(sum(w * numbers[name].item() for name, w in weights.items()))


def test_sizes_are_checked() -> None:
    with pytest.raises(FacetoryError, match=r"MulT \(lite\): unknown size 'hiden'.*'hidden'"):
        build_baseline(_spec(network="mult", sizes={"hiden": 8}))
    with pytest.raises(FacetoryError, match="levels is 0"):
        build_baseline(_spec(network="mult", size="faithful", sizes={"levels": 0}))
    with pytest.raises(FacetoryError, match="10 channels do not divide into 4 heads"):
        build_baseline(_spec(network="mult", sizes={"hidden": 10}))


def test_recipes_name_the_settings_of_their_source() -> None:
    assert recipe(_spec(network="mult", size="faithful"))["batch_size"] == 4
    assert recipe(_spec(network="mult"))["lr"] == 5e-4


def test_the_outer_product_holds_every_interaction() -> None:
    one = outer_product(torch.tensor([[2.0]]), torch.tensor([[3.0]]), torch.tensor([[5.0]]))
    assert one.tolist() == [[30.0, 6.0, 10.0, 2.0, 15.0, 3.0, 5.0, 1.0]]
    text, audio, video = torch.randn(4, 2), torch.randn(4, 3), torch.randn(4, 1)
    one = torch.ones(4, 1)
    expected = torch.einsum(
        "bi,bj,bk->bijk", *(torch.cat([x, one], 1) for x in (text, audio, video))
    ).flatten(1)
    torch.testing.assert_close(outer_product(text, audio, video), expected)


def test_a_missing_modality_leaves_its_one_in_tfns_product() -> None:
    built = _small("tfn", "faithful").eval()
    streams, mask = _batch()
    measured = (mask[:, 0], mask[:, 1], mask[:, 2])
    product = built.represent(_filled(streams, mask, 0.0), measured)
    assert product[1, :-1].abs().sum() == 0
    assert product[1, -1] == 1


def test_means_and_last_rows_are_of_what_was_measured() -> None:
    rows = torch.tensor([[[1.0], [4.0], [9.0]], [[5.0], [6.0], [7.0]]])
    measured = torch.tensor([[True, True, False], [False, False, False]])
    assert mean(rows, measured).tolist() == [[2.5], [0.0]]
    assert last(rows, measured).tolist() == [[4.0], [0.0]]


def test_cmd_of_equal_samples_is_zero_and_else_sums_the_moments() -> None:
    rows = torch.ones(2, dtype=torch.bool)
    x, y = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [1.0]])
    # Means 1 and 1; central moments of x: 1, 0, 1, 0; of y: 0.
    assert central_moment_discrepancy(x, y, rows, rows).item() == pytest.approx(2)
    assert moment_errors(x, y + 3, rows, rows).item() == pytest.approx(9 + 2)
    two = torch.cat([x, x], 1), torch.cat([y, y], 1)
    assert central_moment_discrepancy(*two, rows, rows).item() == pytest.approx(2 * math.sqrt(2))
    same = x.clone().requires_grad_()
    zero = central_moment_discrepancy(same, x, rows, rows)
    zero.backward()
    assert zero.item() == 0
    assert same.grad is not None and same.grad.isfinite().all()


def test_losses_leave_out_samples_that_miss_a_modality() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(5, 3), torch.randn(5, 3)
    rows = torch.tensor([True, True, True, False, False])
    every = torch.ones(3, dtype=torch.bool)
    for loss in (squared_overlap, squared_correlation, info_nce, lambda a, _, r: gaussian_entropy(a, r)):
        torch.testing.assert_close(loss(x, y, rows), loss(x[:3], y[:3], every))
    for moments in (central_moment_discrepancy, moment_errors):
        torch.testing.assert_close(moments(x, y, rows, rows), moments(x[:3], y[:3], every, every))
        assert moments(x, y, rows, torch.zeros_like(rows)).item() == 0
    assert info_nce(x, y, torch.zeros_like(rows)).item() == 0


def test_squared_overlap_and_correlation_by_hand() -> None:
    rows = torch.ones(2, dtype=torch.bool)
    x, y = torch.tensor([[1.0, 2.0], [0.0, 1.0]]), torch.tensor([[3.0, 0.0], [5.0, 2.0]])
    assert squared_overlap(x, y, rows).item() == pytest.approx((9 + 4) / 2)
    # Centred x: ±(½, ½), y: ∓(1, 1); at length 1 XᵀY is −1 everywhere.
    assert squared_correlation(x, y, rows).item() == pytest.approx(1)


def test_info_nce_by_hand() -> None:
    x, y = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    rows, half = torch.ones(2, dtype=torch.bool), math.sqrt(0.5)
    first = -math.log(math.exp(2) / (math.exp(2) + math.exp(2 * half)))
    second = -math.log(math.exp(2 * half) / (1 + math.exp(2 * half)))
    assert info_nce(x, y, rows, 0.5).item() == pytest.approx((first + second) / 2)


def test_the_gaussian_bound_agrees_with_torchs_distributions() -> None:
    torch.manual_seed(0)
    y, centre, log_variance = torch.randn(3, 50, 4)
    normal = torch.distributions.Normal(centre, (log_variance / 2).exp())
    constant = 2 * math.log(2 * math.pi)
    torch.testing.assert_close(
        gaussian_log_likelihood(y, centre, log_variance), normal.log_prob(y).sum(1) + constant
    )
    covariance = torch.cov(y.T, correction=0) + 1e-4 * torch.eye(4)
    entropy = torch.distributions.MultivariateNormal(torch.zeros(4), covariance).entropy()
    found = gaussian_entropy(y, torch.ones(50, dtype=torch.bool))
    torch.testing.assert_close(found, entropy - 2 * (1 + math.log(2 * math.pi)))


def test_norms_are_torchs_own_when_all_is_measured() -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 16, 5)
    ours, theirs = GroupNorm(8, 16), nn.GroupNorm(8, 16)
    torch.testing.assert_close(ours(x, torch.ones(4, 5, dtype=torch.bool)), theirs(x))
    batch, reference = BatchNorm(16), nn.BatchNorm1d(16)
    for samples in x.unbind(2):
        every = torch.ones(4, dtype=torch.bool)
        torch.testing.assert_close(batch(samples, every), reference(samples))
    torch.testing.assert_close(batch.state_dict(), reference.state_dict())
    torch.testing.assert_close(batch.eval()(x[..., 0], every), reference.eval()(x[..., 0]))


def test_a_batch_without_a_modality_leaves_the_running_statistics() -> None:
    norm = BatchNorm(3)
    norm(torch.ones(4, 3), torch.zeros(4, dtype=torch.bool))
    assert norm.running_mean.tolist() == [0, 0, 0]
    assert norm.running_var.tolist() == [1, 1, 1]


def test_the_lstm_over_measured_rows_is_torchs_packed_one() -> None:
    torch.manual_seed(0)
    ours, theirs = Recurrent(3, 4, both_ways=True), nn.LSTM(3, 4, bidirectional=True, batch_first=True)
    assert ours.backwards is not None
    for name, weight in ours.forwards.named_parameters():
        getattr(theirs, name).data.copy_(weight)
        getattr(theirs, f"{name}_reverse").data.copy_(getattr(ours.backwards, name))
    rows, lengths = torch.randn(3, 5, 3), torch.tensor([5, 2, 4])
    gapped, measured = torch.randn(3, 10, 3), torch.zeros(3, 10, dtype=torch.bool)
    places = torch.arange(5) * 2 + 1
    gapped[:, places] = rows
    measured[:, places] = torch.arange(5) < lengths[:, None]
    packed = pack_padded_sequence(rows, lengths, batch_first=True, enforce_sorted=False)
    states, (finals, _) = theirs(packed)
    expected, _ = torch.nn.utils.rnn.pad_packed_sequence(states, batch_first=True)
    found, final = ours(gapped, measured)
    torch.testing.assert_close(found[:, places], expected)
    torch.testing.assert_close(final, finals.transpose(0, 1).flatten(1))
    assert found[:, 0].abs().sum() == 0


def test_attention_is_torchs_own_where_a_row_is_seen_and_zero_elsewhere() -> None:
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    queries, keys = torch.randn(2, 3, 5, 8)
    measured = torch.tensor([[True, False, True, True, False]]).expand(3, 5).clone()
    measured[2] = False
    found = attend(attention, queries, keys, view(measured))
    expected, _ = attention(queries[:2], keys[:2], keys[:2], key_padding_mask=~measured[:2])
    torch.testing.assert_close(found[:2], expected)
    assert found[2].abs().sum() == 0


def test_transformers_do_not_look_ahead() -> None:
    torch.manual_seed(0)
    transformer = Transformer(6, 2, 2)
    rows, other = torch.randn(2, 1, 5, 6)
    every = torch.ones(1, 5, dtype=torch.bool)
    changed = other.clone()
    changed[:, 3:] += 1
    first, second = (transformer(Stream.of(rows, every), Stream.of(o, every)) for o in (other, changed))
    torch.testing.assert_close(first[:, :3], second[:, :3], rtol=0, atol=0)
    assert (first[:, 3:] != second[:, 3:]).any()


def test_sinusoids_start_with_sine_zero_and_cosine_one() -> None:
    table = sinusoids(3, 5)
    assert table[0].tolist() == [0, 0, 1, 1, 0]
    assert table[2, 0].item() == pytest.approx(math.sin(2))
    assert table[2, 3].item() == pytest.approx(math.cos(2e-4))
