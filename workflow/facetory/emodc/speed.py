"""How long a classifier takes from aligned faces to decisions."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facetory.faces.views import as_batch
from facetory.pipeline.files import read_json
from facetory.pipeline.randomness import generator

if TYPE_CHECKING:
    from torch import Tensor, nn

Face = np.ndarray
Classify = Callable[[Sequence[Face]], "Tensor"]
"""From aligned faces, uint8 (h, w, 3) each, to logits (n, K); reading files and finding faces is left out."""

WARM_UP, TRIALS = 2, 3
REPLICATES, LEVEL = 2000, 0.95


def diffusion_classifier(
    unet: nn.Module,
    vae: Any,
    tokens: Tensor,
    timesteps: Sequence[int],
    px: int,
    prediction_type: str = "epsilon",
    precision: str = "no",
    batch_rows: int = 512,
) -> Classify:
    """Resize to ``px``, encode, predict the noise at ``timesteps`` under each of tokens' classes, average.

    ``unet`` is that of `emodc.classifier.model`; it, ``vae`` and tokens (K, L, D) lie on one device.
    """
    import torch

    from facetory.diffusion.latents import posterior
    from facetory.diffusion.pixels import to_unit
    from facetory.diffusion.schedule import alphas_cumprod
    from facetory.emodc.classifier import errors_by_class, inference

    device, alpha_bars = tokens.device, alphas_cumprod().to(tokens.device)
    indices = np.array(timesteps, dtype=np.int64)

    def classify(faces: Sequence[Face]) -> Tensor:
        images = to_unit(torch.from_numpy(as_batch(faces, px)).to(device))
        with inference(device, precision):
            mean, _ = posterior(vae, images)
        errors = errors_by_class(
            unet,
            mean.float() * vae.config.scaling_factor,
            np.arange(len(faces)),
            indices,
            tokens,
            alpha_bars,
            prediction_type,
            batch_size=batch_rows,
            precision=precision,
        )
        return -torch.from_numpy(errors).mean(1)

    return classify


def discriminative_classifier(folder: Path | str, device: str = "cpu") -> Classify:
    """A trained network of `recognition.networks`, with the resizing and preprocessing that it needs."""
    import torch

    from facetory.recognition.networks import load, prepare_for
    from facetory.recognition.spec import ClassifierSpec

    spec = ClassifierSpec.model_validate(read_json(Path(folder) / "manifest.json")["spec"])
    network, _ = load(folder, spec, device)
    prepare = prepare_for(spec)

    def classify(faces: Sequence[Face]) -> Tensor:
        with torch.inference_mode():
            return network(prepare(torch.from_numpy(as_batch(faces, spec.px)).to(device)))

    return classify


def speeds(
    classify: Classify, faces: Sequence[Face], images: int, batch_sizes: Sequence[int], repeats: int
) -> list[dict[str, Any]]:
    """`speed` for ``images`` faces one at a time, and in batches of the size that is fastest here."""
    alone = speed(classify, _some(faces, images), 1, repeats)
    if not batch_sizes:
        return [alone]

    def trial(size: int) -> float:
        return min(rounds(classify, _some(faces, size), size, TRIALS))

    best = min(batch_sizes, key=trial)
    return [alone, speed(classify, _some(faces, best), best, repeats)]


def speed(classify: Classify, faces: Sequence[Face], batch_size: int, repeats: int) -> dict[str, Any]:
    """Median of the rounds' milliseconds a face, its bootstrap interval, and the frames a second it means."""
    times = np.array(rounds(classify, faces, batch_size, repeats))
    drawn = generator(0, "speed").choice(times, (REPLICATES, repeats))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(np.median(drawn, axis=1), [tail, 1 - tail])
    value = float(np.median(times))
    return {
        "batch_size": batch_size,
        "milliseconds": value,
        "milliseconds_low": float(low),
        "milliseconds_high": float(high),
        "frames_per_second": 1000 / value,
        "frames_per_second_low": 1000 / float(high),
        "frames_per_second_high": 1000 / float(low),
        "images": len(faces),
        "repeats": repeats,
    }


def rounds(classify: Classify, faces: Sequence[Face], batch_size: int, repeats: int) -> list[float]:
    """Milliseconds a face of ``repeats`` rounds through all faces, until their classes are on the host."""
    batches = [faces[first : first + batch_size] for first in range(0, len(faces), batch_size)]

    def one_round() -> float:
        began = time.perf_counter()
        for batch in batches:
            classify(batch).argmax(1).cpu()
        return 1000 * (time.perf_counter() - began) / len(faces)

    for batch in islice(cycle(batches), WARM_UP):
        classify(batch).argmax(1).cpu()
    return [one_round() for _ in range(repeats)]


def _some(faces: Sequence[Face], count: int) -> list[Face]:
    return list(islice(cycle(faces), count))
