"""Affect-Diff's joint objective (Eq. 12) on one batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from facetory.affectdiff import losses
from facetory.affectdiff.curriculum import curriculum, temperature
from facetory.affectdiff.graph import acyclicity
from facetory.affectdiff.prior import noisy

if TYPE_CHECKING:
    from facetory.affectdiff.augment import Draw
    from facetory.affectdiff.batches import Batch
    from facetory.affectdiff.model import AffectDiff, Encoded
    from facetory.affectdiff.spec import RecognizerSpec

Numbers = dict[str, float | Tensor]


def joint_objective(
    model: AffectDiff,
    spec: RecognizerSpec,
    batch: Batch,
    clean: Batch,
    epoch: int,
    task_loss: Callable[[Tensor, Tensor], Tensor],
    normal: Draw,
    uniform: Draw,
) -> tuple[Tensor, Numbers]:
    """L_task + γ_kl L_KL + γ λ_d L_diff + λ_c L_causal (+ λ_r L_recon), and its terms without their weights.

    ``batch`` is augmented; the decoder's targets are the ``clean`` one's, as released.  A term that the
    model has not is not reported.  While γ λ_d is 0 the prior is not run, and ``diffusion``
    is 0: its gradient would be.
    """
    gamma, gamma_kl = curriculum(spec.curriculum, epoch)
    model.temperature.fill_(temperature(epoch))
    text = batch.streams[0]
    shape = (len(text), text.shape[1], model.spec.latent)
    encoded = model.encode(batch.streams, batch.mask, normal("posterior", shape=shape))
    denoised = normal("denoised", shape=shape) if model.spec.classify == "denoised" else None
    logits = model.classify(model.classified_latent(encoded, denoised), encoded.valid)
    loss = task = task_loss(logits, batch.labels)
    numbers: Numbers = {"task": task}
    if model.spec.vae:
        kl = losses.kl_free_bits(encoded.mean, encoded.logvar, spec.free_bits, encoded.valid)
        beta: float | Tensor = spec.beta
        if spec.adaptive_beta:
            whole = losses.kl_free_bits(encoded.mean, encoded.logvar, 0.0, encoded.valid)
            beta = losses.adaptive_beta(spec.beta, whole)
        loss = loss + gamma_kl * beta * kl
        numbers |= {"kl": kl, "beta": beta, "gamma_kl": gamma_kl}
    if model.spec.graph != "none":
        h = acyclicity(encoded.adjacency) if model.spec.graph == "notears" else None
        causal = losses.causal_penalty(h, encoded.adjacency, spec.lambda_sparsity)
        loss = loss + spec.lambda_causal * causal
        numbers["causal"] = causal
    if model.decoder is not None:
        mask = clean.mask if model.spec.masks else None
        reconstruction = losses.reconstruction_loss(model.decoder(encoded.z), clean.streams, mask)
        loss = loss + spec.lambda_reconstruction * reconstruction
        numbers["reconstruction"] = reconstruction
    if model.prior is not None:
        weight = gamma * spec.lambda_diffusion
        diffusion = diffusion_term(model, spec, encoded, batch.labels, normal, uniform) if weight else 0.0
        loss = loss + weight * diffusion
        numbers |= {"diffusion": diffusion, "gamma_diffusion": gamma}
    return loss, {name: n.detach() if isinstance(n, Tensor) else n for name, n in numbers.items()}


def diffusion_term(
    model: AffectDiff, spec: RecognizerSpec, encoded: Encoded, labels: Tensor, normal: Draw, uniform: Draw
) -> Tensor:
    """L_diff (Eq. 10) of sg(z) at uniform timesteps; labels are dropped with ``null_probability``."""
    assert model.prior is not None
    z = encoded.z.transpose(1, 2)
    z = z.detach() if spec.stop_gradient else z
    noise = normal("diffusion noise", shape=tuple(z.shape))
    alpha_bars = model.prior.alpha_bars
    timestep = (uniform("timestep", shape=labels.shape) * len(alpha_bars)).long()
    null = uniform("null label", shape=labels.shape) < model.spec.null_probability
    z_t = noisy(z, noise, alpha_bars[timestep])
    told = torch.where(null, model.spec.classes, labels)
    predicted = model.prior(z_t, timestep, told, encoded.condition, encoded.valid)
    return losses.diffusion_loss(noise, predicted, encoded.valid)
