"""A small convolutional network for expressions, as a task of the training loop."""

from __future__ import annotations

from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from facetory.pipeline.randomness import sample_keys, stream_key, uniform
from facetory.training.loop import Schedule, train

if TYPE_CHECKING:
    from torch import Tensor

    from facetory.recognition.probes import ProbeSpec, Views

LARGE, SMALL = 16, 4
"""Sides of feature maps: above the first, convolutions have stride 2; down to the second, maps are pooled."""
SHIFT = 20
"""Training images are shifted by up to their side / SHIFT."""


def cnn_probe(data: Views, test: Views, spec: ProbeSpec) -> np.ndarray:
    """Train a CNN on a split and return the classes (n,) of another."""
    task = Expressions(data, spec)
    with TemporaryDirectory() as scratch:
        train(task, schedule_of(spec, task.size), scratch, scratch, key="probe", name="cnn", device="cpu")
    return task.classes_of(test.views[:, 0])


def schedule_of(spec: ProbeSpec, size: int) -> Schedule:
    """AdamW with a short rise and a cosine fall of the rate, for the spec's epochs of ``size`` samples."""
    steps = max(1, spec.epochs * size // spec.batch_size)
    return Schedule(
        steps=steps,
        batch_size=spec.batch_size,
        lr=spec.lr,
        weight_decay=spec.weight_decay,
        warmup=max(1, steps // 10),
        decay="cosine",
        checkpoint_every=steps,
        threads=spec.threads,
        seed=spec.seed,
    )


def network(channels: int, side: int, classes: int, spec: ProbeSpec) -> nn.Sequential:
    """A block of convolution, group norm and ReLU a width, halving all but small maps; then linear."""
    layers: list[nn.Module] = []
    for width in spec.widths:
        stride, pooled = (2, 1) if side > LARGE else (1, 2 if side > SMALL else 1)
        layers += [
            nn.Conv2d(channels, width, 3, stride, padding=1, bias=False),
            nn.GroupNorm(8, width),
            nn.ReLU(),
            nn.MaxPool2d(pooled),
        ]
        channels, side = width, -(-side // stride) // pooled
    head = [nn.Flatten(), nn.Dropout(spec.dropout), nn.Linear(channels * side**2, classes)]
    return nn.Sequential(*layers, *head)


class Expressions:
    """Cross-entropy on images that are mirrored and shifted at random.

    Mirroring and shift of a sample are functions of (seed, sample id, step) alone.
    """

    def __init__(self, data: Views, spec: ProbeSpec) -> None:
        self.views, self.labels = torch.from_numpy(data.views), torch.from_numpy(data.labels)
        self.keys, self.size, self.seed = sample_keys(data.sample_ids), len(data.labels), spec.seed
        channels, _, side = data.views.shape[2:]
        values = self.views[:, 0].float()
        self.mean = values.mean((0, 2, 3))[:, None, None]
        self.std = values.std((0, 2, 3))[:, None, None].clamp(min=1e-6)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_key(spec.seed, "probe", "weights") >> 1)
            self.network = network(channels, side, len(data.classes), spec)

    def modules(self) -> dict[str, nn.Module]:
        """The network."""
        return {"network": self.network}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """All its parameters, with the schedule's rate and decay."""
        return [{"params": list(self.network.parameters())}]

    def loss(self, positions: np.ndarray, step: int) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Mean cross-entropy of the samples at ``positions``, and the fraction that is right."""
        draws = uniform(stream_key(self.seed, "probe", "augmentation"), self.keys[positions], step, 3)
        flip, reach = (draws[:, 0] < 0.5).astype(np.int64), self.views.shape[-1] // SHIFT
        offsets = np.floor(draws[:, 1:] * (2 * reach + 1)).astype(np.int64) - reach
        images = shifted(self.views[positions, flip], torch.from_numpy(offsets))
        logits, labels = self.logits(images), self.labels[positions]
        accuracy = (logits.detach().argmax(1) == labels).float().mean()
        return F.cross_entropy(logits, labels, label_smoothing=0.05), {"accuracy": accuracy}

    def validate(self, step: int) -> dict[str, float]:
        """Nothing: a probe is scored once, at its end."""
        return {}

    def logits(self, images: Tensor) -> Tensor:
        """Scores (batch, classes) of images (batch, C, h, w) in the training split's own units."""
        return self.network((images.float() - self.mean) / self.std)

    def classes_of(self, images: np.ndarray) -> np.ndarray:
        """The likeliest class (n,) of images (n, C, h, w)."""
        self.network.eval()
        with torch.inference_mode():
            parts = torch.from_numpy(images).split(256)
            return torch.cat([self.logits(part).argmax(1) for part in parts]).numpy()


def shifted(images: Tensor, offsets: Tensor) -> Tensor:
    """Images (batch, C, h, w) moved by their own (rows, columns), offsets (batch, 2), around the edges."""
    batch, channels, height, width = images.shape
    rows = (torch.arange(height) - offsets[:, :1]) % height
    columns = (torch.arange(width) - offsets[:, 1:]) % width
    index = (torch.arange(batch)[:, None, None, None], torch.arange(channels)[:, None, None])
    return images[*index, rows[:, None, :, None], columns[:, None, None, :]]
