"""Learning to tell people apart on small faces in memory, as a task of the training loop."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facetory.metrics import verification
from facetory.pipeline import randomness
from facetory.recognition.cosface import Prototypes
from facetory.recognition.iresnet import IResNet, normalised

BATCH = 256
DRAWS = 9
TURN, ZOOM, SHIFT, LIGHT, TINT = 0.2, 0.15, 0.1, 0.25, 0.05
"""How far a face is varied at most: radians, and shares of its size, its side, its levels, a channel's."""


class TellingApart:
    """CosFace over the people of the rows ``training``; validated on the people of the rows ``unseen``.

    ``images`` uint8 (n, 3, px, px) and ``keys`` int64 (n,) are on the device; ``person`` (n,) int64 tells who
    each shows, in any numbers.  Each face is mirrored, turned, zoomed, moved, lit and tinted a little by
    draws that are functions of (seed, sample key, step).
    """

    def __init__(
        self,
        network: nn.Module,
        images: Tensor,
        keys: Tensor,
        person: np.ndarray,
        training: np.ndarray,
        unseen: np.ndarray,
        embedding: int,
        margin: float,
        scale: float,
        seed: int,
    ) -> None:
        self.network, self.images, self.keys, self.person = network, images, keys, person
        self.training, self.unseen = training, unseen
        people, self.label = np.unique(person[training], return_inverse=True)
        self.prototypes = Prototypes(len(people), embedding, seed).to(images.device)
        self.margin, self.scale, self.size = margin, scale, len(training)
        self.stream = randomness.stream_key(seed, "telling apart", "variation")

    def modules(self) -> dict[str, nn.Module]:
        return {"network": self.network, "prototypes": self.prototypes}

    def parameter_groups(self) -> list[dict[str, Any]]:
        trained = (w for module in self.modules().values() for w in module.parameters() if w.requires_grad)
        return [{"params": list(trained)}]

    def loss(self, positions: np.ndarray, step: int) -> tuple[Tensor, dict[str, float | Tensor]]:
        device = self.images.device
        rows = torch.from_numpy(self.training[positions]).to(device)
        labels = torch.from_numpy(self.label[positions]).to(device)
        at = torch.full((), step, dtype=torch.int64, device=device)
        draws = randomness.uniform(self.stream, self.keys[rows], at, DRAWS).float()
        faces = varied(normalised(self.images[rows], self.images.shape[-1]), draws)
        logits = self.prototypes(self.network(faces), labels, self.margin, self.scale)
        return F.cross_entropy(logits, labels), {}

    def validate(self, step: int) -> dict[str, float]:
        scores = separability(embedded(self.network, self.images, self.unseen), self.person[self.unseen])
        return {name: scores[name] for name in ("eer", "fdr")}


def varied(faces: Tensor, draws: Tensor) -> Tensor:
    """Faces (n, 3, px, px) in −1 … 1 as nine uniform ``draws`` (n, 9) in (0, 1) vary each."""
    spread = 2 * draws - 1
    mirror = torch.where(draws[:, 0] < 0.5, -1.0, 1.0)
    angle, size = TURN * spread[:, 1], 1 + ZOOM * spread[:, 2]
    cos, sin, (x, y) = size * angle.cos(), size * angle.sin(), 2 * SHIFT * spread[:, 3:5].T
    places = torch.stack([torch.stack([mirror * cos, -sin, x], 1), torch.stack([mirror * sin, cos, y], 1)], 1)
    grid = F.affine_grid(places, list(faces.shape), align_corners=False)
    moved = F.grid_sample(faces, grid, padding_mode="border", align_corners=False)
    light = (1 + LIGHT * spread[:, 5:6]) * (1 + TINT * spread[:, 6:9])
    return ((moved + 1) * light[..., None, None] - 1).clamp(-1, 1)


@torch.no_grad()
def centre(network: IResNet, images: Tensor, rows: np.ndarray) -> None:
    """Move the network's features by their mean over some images, into the bias of its last layer.

    Learning leaves that mean off zero; contexts drawn uniformly from the sphere have none.
    """
    network.eval()
    network.features.bias.sub_(features_of(network, images, rows).mean(0))


def embedded(network: nn.Module, images: Tensor, rows: np.ndarray) -> np.ndarray:
    """Unit embeddings (rows, d) of some images, by the network as it is (put it into evaluation mode)."""
    return F.normalize(features_of(network, images, rows)).cpu().numpy()


@torch.no_grad()
def features_of(network: nn.Module, images: Tensor, rows: np.ndarray) -> Tensor:
    """Features (rows, d) of some images."""
    parts = torch.from_numpy(rows).to(images.device).split(BATCH)
    return torch.cat([network(normalised(images[part], images.shape[-1])) for part in parts])


def separability(embeddings: np.ndarray, person: np.ndarray) -> dict[str, float]:
    """`verification.measures` of all pairs of unit embeddings (n, d) of persons (n,)."""
    first, second = np.triu_indices(len(person), 1)
    scores = (embeddings @ embeddings.T)[first, second]
    same = person[first] == person[second]
    return verification.measures(scores[same], scores[~same])


def isotropy(embeddings: np.ndarray) -> dict[str, float]:
    """How evenly unit embeddings (n, d) lie on the sphere.

    ``mean_length`` of their mean, 0 where they balance; ``dimensions``, the participation ratio of the
    spectrum of their second moments, d where they are even.
    """
    spectrum = np.linalg.eigvalsh(embeddings.T @ embeddings / len(embeddings))
    return {
        "mean_length": float(np.linalg.norm(embeddings.mean(axis=0))),
        "dimensions": float(spectrum.sum() ** 2 / math.fsum(spectrum**2)),
    }
