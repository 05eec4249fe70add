"""Adapters: exact counts at Stable Diffusion's size, the function they compute, files, merging."""

import pytest
import torch
from facetory.diffusion import lora
from facetory.diffusion.architecture import new_unet
from facetory.pipeline.files import FacetoryError
from peft.tuners.tuners_utils import BaseTunerLayer


def small():
    torch.manual_seed(0)
    return new_unet("demo").eval()


def forward(unet):
    generator = torch.Generator().manual_seed(1)
    latents, tokens = (
        torch.randn(2, 8, 8, 8, generator=generator),
        torch.randn(2, 24, 384, generator=generator),
    )
    with torch.no_grad():
        return unet(latents, torch.tensor([10, 500]), tokens).sample


def stirred(weights):
    """Adapters moved away from their start, as training would."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in weights.values():
            weight.add_(0.1 * torch.randn(weight.shape, generator=generator))


def test_counts_at_full_size():
    with torch.device("meta"):
        unet = new_unet("sd21")
    assert sum(weight.numel() for weight in unet.parameters()) == 865_910_724
    trainable = lora.inject(unet, rank=16, alpha=16)
    adapted = [m for m in unet.modules() if isinstance(m, BaseTunerLayer)]
    assert len(adapted) == 128
    assert sum(weight.numel() for weight in trainable.values()) == 3_319_808
    assert trainable.keys() == lora.trainable_parameters(unet).keys()


def test_a_fresh_adapter_changes_nothing_and_is_drawn_by_name():
    plain, adapted, again, other = small(), small(), small(), small()
    first, second = lora.inject(adapted, 4, 4, seed=1), lora.inject(again, 4, 4, seed=1)
    third = lora.inject(other, 4, 4, seed=2)
    torch.testing.assert_close(forward(adapted), forward(plain))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], third[name]) for name in first if "lora_A" in name)


def test_the_update_is_alpha_over_rank_times_b_a():
    unet = small()
    weights = lora.inject(unet, rank=4, alpha=8, targets=["to_q"])
    stirred(weights)
    layer = next(m for m in unet.modules() if isinstance(m, BaseTunerLayer))
    x = torch.randn(3, layer.in_features, generator=torch.Generator().manual_seed(3))
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    expected = layer.get_base_layer()(x) + 8 / 4 * x @ a.T @ b.T
    torch.testing.assert_close(layer(x), expected)


def test_convolutions_can_be_targets():
    weights = lora.inject(small(), 4, 4, ["to_q", "conv1", "conv_shortcut"])
    assert any("conv1" in name for name in weights) and any("conv_shortcut" in name for name in weights)


def test_saved_loaded_and_merged_it_is_the_same_function(tmp_path):
    trained = small()
    weights = lora.inject(trained, 4, 8, ["to_q", "to_out.0", "conv1"])
    stirred(weights)
    lora.save(tmp_path / "adapter.safetensors", weights, 4, 8, ["to_q", "to_out.0", "conv1"])
    loaded, merged = small(), small()
    lora.load(loaded, tmp_path / "adapter.safetensors")
    lora.load(merged, tmp_path / "adapter.safetensors", merge=True)
    assert not torch.allclose(forward(trained), forward(small()), atol=1e-3)
    assert torch.equal(forward(loaded), forward(trained))
    torch.testing.assert_close(forward(merged), forward(trained), rtol=1e-4, atol=1e-5)
    assert not any(isinstance(m, BaseTunerLayer) for m in merged.modules())
    assert merged.state_dict().keys() == small().state_dict().keys()


def test_adapters_stay_in_float32_on_a_half_precision_backbone():
    weights = lora.inject(small().bfloat16(), 4, 4)
    assert {weight.dtype for weight in weights.values()} == {torch.float32}


def test_an_unknown_target_is_named():
    with pytest.raises(FacetoryError, match="'to_kv'"):
        lora.inject(small(), 4, 4, ["to_q", "to_kv"])


def test_another_backbones_adapter_is_refused(tmp_path):
    weights = lora.inject(small(), 4, 4)
    del weights[next(iter(weights))]
    lora.save(tmp_path / "adapter.safetensors", weights, 4, 4, lora.ATTENTION)
    with pytest.raises(FacetoryError, match="do not fit"):
        lora.load(small(), tmp_path / "adapter.safetensors")
