"""VQ-f4: LDM's checkpoint gives what LDM's module gives, and the street encodes and decodes with it."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from diffusers import VQModel
from facetory.cli.main import app
from facetory.diffusion import backbone, catalogue, place, snapshot, vq
from facetory.diffusion.latents import EXACT, both_flips, posterior, sample_posterior
from facetory.diffusion.pixels import to_unit
from facetory.pipeline.files import FacetoryError, read_json
from facetory.rehearsal.first_stage import ldm_shapes
from facetory.rehearsal.random_weights import shapes_of
from torch import nn
from typer.testing import CliRunner

SMALL = {"block_out_channels": (32, 64, 128), "num_vq_embeddings": 40, "layers_per_block": 1}


def norm(channels):
    return nn.GroupNorm(32, channels, eps=1e-6)


class Block(nn.Module):
    def __init__(self, into, out):
        super().__init__()
        self.norm1, self.conv1 = norm(into), nn.Conv2d(into, out, 3, padding=1)
        self.norm2, self.conv2 = norm(out), nn.Conv2d(out, out, 3, padding=1)
        if into != out:
            self.nin_shortcut = nn.Conv2d(into, out, 1)

    def forward(self, x):
        h = self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))
        return h + (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x)


class Attention(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm = norm(channels)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, x):
        q, k, v = (part(self.norm(x)).flatten(2) for part in (self.q, self.k, self.v))
        weights = (q.transpose(1, 2) @ k / q.shape[1] ** 0.5).softmax(-1)
        return x + self.proj_out((v @ weights.transpose(1, 2)).view_as(x))


class Resample(nn.Module):
    def __init__(self, channels, up):
        super().__init__()
        self.up = up
        self.conv = nn.Conv2d(channels, channels, 3, stride=1 if up else 2, padding=1 if up else 0)

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2.0) if self.up else F.pad(x, (0, 1, 0, 1)))


class Middle(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.block_1, self.attn_1, self.block_2 = (
            Block(channels, channels),
            Attention(channels),
            Block(channels, channels),
        )

    def forward(self, x):
        return self.block_2(self.attn_1(self.block_1(x)))


class Half(nn.Module):
    """LDM's encoder, or its decoder, whose levels are counted from the picture."""

    def __init__(self, widths, blocks, up):
        super().__init__()
        self.is_up = up
        levels = nn.ModuleList()
        for level, width in enumerate(widths):
            own = nn.Module()
            into = widths[min(level + 1, len(widths) - 1)] if up else widths[max(level - 1, 0)]
            count = blocks + 1 if up else blocks
            own.block = nn.ModuleList(Block(into if i == 0 else width, width) for i in range(count))
            if up and level > 0:
                own.upsample = Resample(width, True)
            if not up and level < len(widths) - 1:
                own.downsample = Resample(width, False)
            levels.append(own)
        first, last = (widths[-1], widths[0]) if up else (widths[0], widths[-1])
        self.conv_in, self.mid = nn.Conv2d(3, first, 3, padding=1), Middle(widths[-1])
        setattr(self, "up" if up else "down", levels)
        self.norm_out, self.conv_out = norm(last), nn.Conv2d(last, 3, 3, padding=1)

    def forward(self, x):
        x = self.conv_in(x)
        if self.is_up:
            x = self.mid(x)
        for level in reversed(self.up) if self.is_up else self.down:
            for block in level.block:
                x = block(x)
            for name in ("downsample", "upsample"):
                x = getattr(level, name)(x) if hasattr(level, name) else x
        if not self.is_up:
            x = self.mid(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class FirstStage(nn.Module):
    """LDM's VQModelInterface, in its names."""

    def __init__(self, widths=(32, 64, 128), blocks=1, codes=40):
        super().__init__()
        self.encoder, self.decoder = Half(widths, blocks, False), Half(widths, blocks, True)
        self.quantize = nn.Module()
        self.quantize.embedding = nn.Embedding(codes, 3)
        self.quant_conv, self.post_quant_conv = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

    def encode(self, x):
        return self.quant_conv(self.encoder(x))

    def decode(self, h):
        codes = self.quantize.embedding.weight
        nearest = (h[:, None] - codes[None, :, :, None, None]).square().sum(2).argmin(1)
        return self.decoder(self.post_quant_conv(codes[nearest].permute(0, 3, 1, 2)))


@pytest.fixture(scope="module")
def ldm():
    torch.manual_seed(3)
    model = FirstStage().eval()
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.3 if weight.ndim < 2 else weight[0].numel() ** -0.5)
    return model.requires_grad_(False)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(vq, "VQ_F4", vq.VQ_F4 | SMALL)


def test_ldms_checkpoint_gives_what_ldms_module_gives(tmp_path, ldm, small):
    whole = {f"first_stage_model.{key}": tensor for key, tensor in ldm.state_dict().items()}
    whole |= {"model.diffusion_model.out.0.weight": torch.ones(2), "betas": torch.ones(3)}
    vq.convert(whole, tmp_path)
    vae = backbone.load_vae(tmp_path, scaling_factor=1.0)
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    latents = vae.encode(images).latents
    assert latents.shape == (2, 3, 8, 8) and latents.std() > 0.1
    torch.testing.assert_close(latents, ldm.encode(images), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(vae.decode(latents).sample, ldm.decode(latents), rtol=1e-4, atol=1e-4)
    codes = ldm.quantize.embedding.weight  # quantising moves the latents: it is not left out on both sides
    assert (codes[None] - latents.permute(0, 2, 3, 1).reshape(-1, 1, 3)).square().sum(-1).min(1)[
        0
    ].max() > 0.01


def test_the_full_size_is_ldms():
    with torch.device("meta"):
        own, plain = FirstStage((128, 256, 512), 2, 8192), VQModel(**vq.VQ_F4)
        expected = vq.first_stage(own.state_dict())
        latents = plain.encode(torch.zeros(1, 3, 128, 128)).latents
        decoded = plain.decode(latents, force_not_quantize=True).sample
    assert ldm_shapes() == shapes_of(own)
    found = {key: tensor.shape for key, tensor in plain.state_dict().items()}
    assert found == {key: tensor.shape for key, tensor in expected.items()}
    assert sum(weight.numel() for weight in plain.parameters()) == 55_322_782
    assert latents.shape == (1, 3, 32, 32) and decoded.shape == (1, 3, 128, 128)


def test_the_loss_is_left_out_and_a_lack_is_named(tmp_path, ldm, small):
    plain = dict(ldm.state_dict())
    assert vq.first_stage(plain | {"loss.logvar": torch.zeros(1)}).keys() == vq.first_stage(plain).keys()
    del plain["quantize.embedding.weight"]
    with pytest.raises(FacetoryError, match=r"not the weights of VQ-f4 .*quantize\.embedding\.weight"):
        vq.convert(plain, tmp_path)
    with pytest.raises(FacetoryError, match="decoder"):
        vq.convert({key: tensor for key, tensor in plain.items() if not key.startswith("decoder")}, tmp_path)
    assert not (tmp_path / "vae").exists()


def test_another_size_is_refused(tmp_path, small):
    with pytest.raises(FacetoryError, match="not the weights of VQ-f4"):
        vq.convert(FirstStage(codes=41).state_dict(), tmp_path)


@pytest.fixture
def placed(tmp_path, ldm, small):
    """IDiff-Face's two files, converted and placed by the commands."""
    state = ldm.state_dict()
    parts = {"encoder": ("encoder.", "quant_conv."), "decoder": ("decoder.", "quantize.", "post_quant_conv.")}
    files = []
    for name, prefixes in parts.items():
        files.append(tmp_path / f"first_stage_{name}_state_dict.pt")
        torch.save({key: tensor for key, tensor in state.items() if key.startswith(prefixes)}, files[-1])
    run = CliRunner().invoke(
        app, ["backbone", "convert", "vq-f4", *map(str, files), "--data-root", str(tmp_path)]
    )
    assert run.exit_code == 0, run.output
    place.place(catalogue.backbone("vq-f4"), tmp_path, tmp_path / "manifest.json")
    return tmp_path / "manifest.json"


def test_the_street_encodes_without_a_spread_and_decodes_codes(placed, ldm):
    about = read_json(placed)
    assert about["status"] == "placed" and about["parameters"]["vae"] == sum(
        weight.numel() for weight in ldm.parameters()
    )
    vae = backbone.placed_vae(placed)
    assert vae.config.scaling_factor == 1.0 and vae.dtype == torch.float32
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, 16, 16), dtype=np.uint8))
    mean, logvar = both_flips(vae, pixels)
    assert mean.shape == logvar.shape == (2, 2, 3, 4, 4) and (logvar == EXACT).all()
    torch.testing.assert_close(mean[:, 1], ldm.encode(to_unit(pixels).flip(-1)), rtol=1e-4, atol=1e-5)
    stored = mean.half().float(), logvar.half().float()
    assert torch.isfinite(stored[1]).all()
    drawn = sample_posterior(*stored, torch.randn(mean.shape), 1.0)
    assert torch.equal(drawn, stored[0])


def test_an_autoencoder_with_a_posterior_is_encoded_as_before(tmp_path):
    from facetory.diffusion.architecture import new_vae

    torch.manual_seed(0)
    snapshot.save(new_vae("demo"), tmp_path / "vae")
    vae = backbone.load_vae(tmp_path)
    images = torch.rand(1, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        moments = vae.encode(images).latent_dist
        mean, logvar = posterior(vae, images)
    assert torch.equal(mean, moments.mean) and torch.equal(logvar, moments.logvar)


def test_what_is_not_placed_says_how(tmp_path):
    told = catalogue.missing("vq-f4", tmp_path)
    assert "ffhq.zip" in told and "facetory backbone convert vq-f4" in told
    with pytest.raises(FacetoryError, match="facetory backbone convert vq-f4"):
        place.fetch(catalogue.backbone("vq-f4"), tmp_path)
    with pytest.raises(FacetoryError, match="facetory backbone convert vq-f4"):
        place.place(catalogue.backbone("vq-f4"), tmp_path, tmp_path / "manifest.json")


def test_a_snapshot_is_not_converted(tmp_path):
    run = CliRunner().invoke(app, ["backbone", "convert", "sd21", str(tmp_path / "x.ckpt")])
    assert run.exit_code and "backbone fetch sd21" in run.output + str(run.exception)
