"""Learning expressions by cross-entropy, as a task of the training loop: classifiers, controls and probes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from facetory.pipeline.randomness import sample_keys, stream_key, uniform

if TYPE_CHECKING:
    from torch import Tensor, nn

    from facetory.recognition.views import Views

SHIFT = 20
"""Training images are shifted by up to their side / SHIFT."""
Prepare = Callable[["Tensor"], "Tensor"]


class Expressions:
    """Cross-entropy on images that are mirrored and shifted at random.

    ``prepare`` makes of a split's images what the network takes.  Mirroring and shift of a sample are
    functions of (seed, ``stream``, sample id, step) alone.
    """

    def __init__(
        self,
        data: Views,
        network: nn.Module,
        prepare: Prepare,
        seed: int,
        stream: str,
        label_smoothing: float = 0.0,
        device: str = "cpu",
    ) -> None:
        self.views, self.labels = torch.from_numpy(data.views), torch.from_numpy(data.labels)
        self.keys, self.size = sample_keys(data.sample_ids), len(data.labels)
        channels_last: Any = {"memory_format": torch.channels_last}
        self.network = network.to(device).to(**channels_last)
        self.prepare, self.device = prepare, device
        self.key = stream_key(seed, stream, "augmentation")
        self.label_smoothing = label_smoothing

    def modules(self) -> dict[str, nn.Module]:
        """The network."""
        return {"network": self.network}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """All its parameters, with the schedule's rate and decay."""
        return [{"params": list(self.network.parameters())}]

    def loss(self, positions: np.ndarray, step: int) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Mean cross-entropy of the samples at ``positions``, and the fraction that is right."""
        labels = self.labels[positions].to(self.device)
        logits = self.logits(positions, step)
        accuracy = (logits.detach().argmax(1) == labels).float().mean()
        loss = F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        return loss, {"accuracy": accuracy}

    def logits(self, positions: np.ndarray, step: int) -> Tensor:
        """The network's answer to what it sees of some samples at a training step."""
        return self.network(self.inputs(positions, step))

    def validate(self, step: int) -> dict[str, float]:
        """Nothing: a classifier is scored once, at its end."""
        return {}

    def inputs(self, positions: np.ndarray, step: int) -> Tensor:
        """What the network sees of some samples at a training step."""
        draws, side = uniform(self.key, self.keys[positions], step, 3), self.views.shape[-1]
        offsets = np.floor(draws[:, 1:] * (2 * (side // SHIFT) + 1)).astype(np.int64) - side // SHIFT
        images = mirrored(self.views[positions], torch.from_numpy(draws[:, 0] < 0.5))
        return self.prepare(shifted(images, torch.from_numpy(offsets)).to(self.device))


def log_probabilities(network: nn.Module, prepare: Prepare, images: np.ndarray, batch_size: int) -> Tensor:
    """log p(c|x) (n, K) float32 of images (n, C, h, w), on the network's device, returned on the CPU."""
    network.eval()
    device = next(network.parameters()).device
    with torch.inference_mode():
        parts = torch.from_numpy(images).split(batch_size)
        logits = [network(prepare(part.to(device))).float() for part in parts]
        return torch.cat(logits).log_softmax(1).cpu()


def mirrored(views: Tensor, flip: Tensor) -> Tensor:
    """Of views (batch, V, C, h, w) the images, or where ``flip`` (batch,) their mirror images."""
    mirror = views[:, 1] if views.shape[1] > 1 else views[:, 0].flip(-1)
    return torch.where(flip[:, None, None, None], mirror, views[:, 0])


def shifted(images: Tensor, offsets: Tensor) -> Tensor:
    """Images (batch, C, h, w) moved by their own (rows, columns), offsets (batch, 2), around the edges."""
    batch, channels, height, width = images.shape
    rows = (torch.arange(height) - offsets[:, :1]) % height
    columns = (torch.arange(width) - offsets[:, 1:]) % width
    index = (torch.arange(batch)[:, None, None, None], torch.arange(channels)[:, None, None])
    return images[*index, rows[:, None, :, None], columns[:, None, None, :]]
