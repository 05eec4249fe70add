"""Affect-Diff (Section IV): encoders, causal graph, fusion, posterior, classifier, diffusion prior."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from facetory.affectdiff import graph
from facetory.affectdiff.classifier import Classifier
from facetory.affectdiff.decoder import Decoder
from facetory.affectdiff.encoders import encoders, mean_of
from facetory.affectdiff.layers import Linear
from facetory.affectdiff.prior import ddim, noisy, timesteps_of
from facetory.affectdiff.unet1d import UNet1D
from facetory.diffusion.sampler import clean_prediction
from facetory.pipeline.randomness import normal, stream_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from facetory.affectdiff.spec import ModelSpec

SUMS_LIMIT = 5.0
GATE_WIDTH = 64
DENOISED_SHARE = 0.3
DENOISED_STEPS = 50


class Encoded(NamedTuple):
    """What the encoder makes of a batch; under masks all sequences are zero where not ``valid``.

    Posterior ``mean`` and ``logvar`` and the latent ``z`` (B, L, dz); ``adjacency`` (B, 3, 3); ``weights``
    w = softmax(Aᵀ1) (B, 3); ``condition`` (B, 3), what the prior is told of the graph, without gradient;
    ``valid`` bool (B, L), where any modality was measured, or None without masks; ``fused`` F (B, L, H).
    """

    mean: Tensor
    logvar: Tensor
    z: Tensor
    adjacency: Tensor
    weights: Tensor
    condition: Tensor
    valid: Tensor | None
    fused: Tensor


class Posterior(nn.Module):
    """μ = W_μ F and log σ² = clamp(W_σ F), each (B, L, dz) (Affect-Diff, Eq. 5)."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.limits = spec.logvar_min, spec.logvar_max
        self.mean = Linear(spec.hidden, spec.latent)
        self.logvar = Linear(spec.hidden, spec.latent)

    def forward(self, fused: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance."""
        return self.mean(fused), self.logvar(fused).clamp(*self.limits)


class AffectDiff(nn.Module):
    """The model of a `ModelSpec`; ``prior`` is None where ``prior_width`` is 0, ``decoder`` where it is off.

    ``temperature`` is that of the Gumbel-softmax edges; training sets it.
    """

    temperature: Tensor

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        width, nodes = spec.hidden, len(spec.dims)
        self.encoders = encoders(spec)
        self.graph = graph.CausalGraph(width)
        self.gate = (
            nn.Sequential(nn.Linear(nodes * width, GATE_WIDTH), nn.Linear(GATE_WIDTH, nodes))
            if spec.modality_gate
            else None
        )
        self.fusion = nn.Sequential(
            Linear(nodes * width, width), nn.LayerNorm(width), nn.GELU(), Linear(width, width)
        )
        self.posterior = Posterior(spec)
        self.classifier = Classifier(spec)
        self.prior = UNet1D(spec) if spec.prior_width else None
        self.decoder = Decoder(spec) if spec.decoder else None
        self.register_buffer("temperature", torch.ones(()))
        if spec.classify == "denoised" and self.prior is None:
            raise ValueError("classify 'denoised' needs a prior: set prior_width above 0")

    def forward(self, streams: Sequence[Tensor], mask: Tensor | None = None) -> Tensor:
        """Logits (B, classes) of text, audio and video (B, L, D), with z = μ; no draw is made.

        ``mask``, bool (B, 3, L), says what was measured; it is read if ``spec.masks``.
        """
        encoded = self.encode(streams, mask)
        return self.classify(self.classified_latent(encoded), encoded.valid)

    def encode(
        self, streams: Sequence[Tensor], mask: Tensor | None = None, noise: Tensor | None = None
    ) -> Encoded:
        """Everything up to z = μ + ε σ (Affect-Diff, Eqs. 1-6), ``noise`` ε being (B, L, dz), or z = μ."""
        mask = mask if self.spec.masks else None
        masks = [None] * len(streams) if mask is None else mask.unbind(1)
        hidden = [
            encoder(stream, measured)
            for encoder, stream, measured in zip(self.encoders, streams, masks, strict=True)
        ]
        nodes = torch.stack([mean_of(h, measured) for h, measured in zip(hidden, masks, strict=True)], 1)
        present = None if mask is None else mask.any(-1)
        valid = None if mask is None else mask.any(1)
        adjacency = self.edges(nodes, present)
        weights = graph.importance(adjacency, present)
        if self.spec.graph != "none":
            hidden = [h * weights[:, i, None, None] for i, h in enumerate(hidden)]
        fused = self.fusion(torch.cat(hidden, -1))
        mean, logvar = self.posterior(fused)
        z = mean if noise is None or not self.spec.vae else mean + noise * (logvar / 2).exp()
        mean, logvar, z = (part if valid is None else part * valid[..., None] for part in (mean, logvar, z))
        return Encoded(mean, logvar, z, adjacency, weights, self.told(adjacency, weights), valid, fused)

    def edges(self, nodes: Tensor, present: Tensor | None = None) -> Tensor:
        """A (B, 3, 3) of node embeddings (B, 3, H): zero without a graph, without noise at test time."""
        if self.spec.graph == "none":
            return nodes.new_zeros(len(nodes), nodes.shape[1], nodes.shape[1])
        scores, possible = self.graph(nodes), graph.possible_edges(present, nodes.device)
        if self.spec.graph == "notears":
            return graph.sigmoid_edges(scores, possible)
        noise = graph.gumbel_noise(scores) if self.training else None
        return graph.gumbel_edges(scores, possible, self.temperature, noise)

    def told(self, adjacency: Tensor, weights: Tensor) -> Tensor:
        """What the prior is told of the graph (B, 3), by ``spec.condition``; ones without a graph."""
        if self.spec.graph == "none" or self.spec.condition == "none":
            return torch.ones_like(weights)
        if self.spec.condition == "softmax":
            return weights.detach()
        return graph.column_sums(adjacency).clamp(0, SUMS_LIMIT).detach()

    def classify(self, z: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits (B, classes) of a latent sequence (B, L, dz)."""
        return self.classifier(z, valid)

    def classified_latent(self, encoded: Encoded, noise: Tensor | None = None) -> Tensor:
        """The latent that the classifier sees (B, L, dz): z, or z denoised (``spec.classify``, homepage).

        Denoised: z is noised to 0.3 T and denoised by the prior without a label, in one step while training
        and by DDIM at test time.  Neither the prior nor z by way of it gets a gradient of this.  ``noise``
        (B, L, dz) is by default one fixed draw a position, the same for every sample.
        """
        z = encoded.z
        if self.spec.classify == "posterior":
            return z
        if noise is None:
            positions = torch.arange(z.shape[1], device=z.device)
            noise = normal(stream_key(0, "affectdiff", "denoised"), positions, 0, z.shape[2])[None]
        with torch.no_grad():
            denoised = self.denoise(z.transpose(1, 2), noise.expand_as(z).transpose(1, 2), encoded)
        return z + (denoised.transpose(1, 2) - z).detach()

    def denoise(self, z: Tensor, noise: Tensor, encoded: Encoded) -> Tensor:
        """z (B, dz, L) noised and denoised under the null label, as `classified_latent` says."""
        prior, condition, valid = self.prior, encoded.condition, encoded.valid
        assert prior is not None
        steps = min(DENOISED_STEPS, len(prior.alpha_bars) - 1)
        start = timesteps_of(prior, steps, DENOISED_SHARE)[0]
        null = torch.full((len(z),), prior.null, device=z.device)
        z_t = noisy(z, noise, prior.alpha_bars[start])
        if not self.training:
            return ddim(prior, z_t, null, condition, steps, 1.0, DENOISED_SHARE, valid)
        predicted = prior(z_t, torch.full_like(null, start), null, condition, valid)
        return clean_prediction(z_t, predicted, prior.alpha_bars[start])
