"""The unconditional UNet: its sizes, its files, its prediction, and one real step at the paper's size."""

import pytest
import torch
from diffusers import UNet2DModel
from facetory.diffusion import snapshot
from facetory.diffusion.architecture import new_unet
from facetory.diffusion.unconditional import (
    load_unconditional,
    new_unconditional,
    parameters_of,
    predicted_noise,
    save_unconditional,
)
from facetory.pipeline.files import FacetoryError, sha256_of
from safetensors.torch import load_file


def parameters(module):
    return sum(weight.numel() for weight in module.parameters())


def test_the_papers_model_has_its_size():
    """Section 3.1 says 113 M; these settings of UNet2DModel make 113,675,524."""
    assert parameters_of("smc") == 113_675_524
    assert parameters_of("demo-faces") == parameters(new_unconditional("demo-faces")) <= 2_500_000


def test_other_latent_channels_change_both_ends_alone():
    with torch.device("meta"):
        four, eight = new_unconditional("demo-faces"), new_unconditional("demo-faces", channels=8)
    assert (eight.config.in_channels, eight.config.out_channels) == (8, 8)
    width = four.config.block_out_channels[0]
    assert parameters(eight) - parameters(four) == 2 * 4 * 9 * width + 4


@pytest.mark.parametrize("name", ["smd", "demo", "sd21"])
def test_a_name_that_is_no_unconditional_architecture_is_refused(name):
    with pytest.raises(FacetoryError, match=rf"unknown architecture '{name}'\. Known: demo-faces, smc"):
        new_unconditional(name)


def test_a_saved_model_comes_back_frozen_bit_for_bit(tmp_path):
    unet = new_unconditional("demo-faces").eval()
    save_unconditional(unet, tmp_path / "model")
    weights = tmp_path / "model" / "unet" / "diffusion_pytorch_model.safetensors"
    assert {weight.dtype for weight in load_file(weights).values()} == {torch.float32}
    again = load_unconditional(tmp_path / "model")
    assert isinstance(again, UNet2DModel) and not again.training
    assert not any(weight.requires_grad for weight in again.parameters())
    z = torch.randn(2, 4, 8, 8)
    with torch.no_grad():
        assert torch.equal(predicted_noise(again)(z, 400), unet(z, 400).sample)
    save_unconditional(new_unconditional("demo-faces"), tmp_path / "model")
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["unet"]
    with pytest.raises(FacetoryError, match="The file is damaged or of another revision"):
        load_unconditional(
            tmp_path / "model", sha256={"unet/diffusion_pytorch_model.safetensors": sha256_of(__file__)}
        )


def test_gradients_reach_the_latents(tmp_path):
    z = torch.randn(1, 4, 8, 8, requires_grad=True)
    save_unconditional(new_unconditional("demo-faces"), tmp_path)
    predicted_noise(load_unconditional(tmp_path))(z, 10).square().sum().backward()
    assert z.grad is not None and z.grad.abs().sum() > 0


def test_a_folder_without_an_unconditional_unet_is_refused(tmp_path):
    with pytest.raises(FacetoryError, match=r"there is no unet/config.json.*facetory smc train"):
        load_unconditional(tmp_path)
    snapshot.save(new_unet("demo"), tmp_path / "unet")
    with pytest.raises(FacetoryError, match="is a UNet2DConditionModel, but an unconditional"):
        load_unconditional(tmp_path)


def test_a_pickled_model_is_not_read(tmp_path):
    new_unconditional("demo-faces").save_pretrained(tmp_path / "unet", safe_serialization=False)
    with pytest.raises(FacetoryError, match="Only safetensors files are read"):
        load_unconditional(tmp_path)


@pytest.mark.slow
def test_one_step_at_full_size():
    """Forward, backward and AdamW in bfloat16 on 4×32×32 latents: every weight moves that can.

    Keys and queries in the middle need not: five halvings leave one position to attend to.
    """
    torch.manual_seed(0)
    unet = new_unconditional("smc").bfloat16()
    optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-2, weight_decay=0)
    before = [weight.detach().clone() for weight in unet.parameters()]
    z, noise = torch.randn(2, 1, 4, 32, 32, dtype=torch.bfloat16)
    loss = (predicted_noise(unet)(z, 400) - noise).float().square().mean()
    loss.backward()
    optimizer.step()
    assert torch.isfinite(loss)
    named = zip(unet.named_parameters(), before, strict=True)
    unmoved = {name for (name, weight), old in named if torch.equal(weight, old)}
    idle = ("mid_block.attentions.0.to_q", "mid_block.attentions.0.to_k")
    assert all(name.startswith(idle) for name in unmoved)
