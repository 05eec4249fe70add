"""Training a recognizer (Section IV-G and H), as a task of the training loop."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from facetory.affectdiff import draws
from facetory.affectdiff.augment import augmented
from facetory.affectdiff.losses import class_weights, focal_cross_entropy
from facetory.affectdiff.objective import Numbers, joint_objective
from facetory.affectdiff.spec import ModelSpec
from facetory.affectdiff.validate import validated
from facetory.pipeline.randomness import generator, stream_key

if TYPE_CHECKING:
    from torch import nn

    from facetory.affectdiff.batches import Corpus
    from facetory.affectdiff.spec import RecognizerSpec


class Recognition:
    """Affect-Diff's joint objective (Eq. 12), or a baseline's, on a corpus that lies on the device.

    Draws are functions of (seed, purpose, step).  With ``streams_apart`` they are the same with and without a
    prior; otherwise a model with a prior draws from streams of its own, as it would from one generator that
    its prior draws from as well.  With ``clip_apart`` too, the prior cannot reach the classifier.
    """

    def __init__(self, spec: RecognizerSpec, corpus: Corpus, model: nn.Module, device: str = "cpu") -> None:
        self.spec, self.corpus, self.device = spec, corpus, torch.device(device)
        self.model: Any = model.to(device)
        self.prior = getattr(model, "prior", None)
        self.stream = "" if self.prior is None or spec.streams_apart else "beside a prior: "
        self.training = corpus.parts["train"]
        self.size = len(self.training)
        counts = np.maximum(corpus.class_counts["train"], 1)
        self.cumulative = np.cumsum(1 / counts[corpus.labels[self.training]])
        weighted = spec.class_weights == "sqrt_inverse"
        self.task_loss = partial(
            focal_cross_entropy,
            gamma=spec.focal_gamma,
            label_smoothing=spec.label_smoothing,
            weights=class_weights(corpus.class_counts["train"]).to(device) if weighted else None,
        )

    @property
    def steps_per_epoch(self) -> int:
        """Batches of the training split, the last one filled from the next epoch."""
        return -(-self.size // self.spec.batch_size)

    def modules(self) -> dict[str, nn.Module]:
        """The model."""
        return {"model": self.model}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The prior's parameters and all others; clipped by their joint norm unless ``clip_apart``."""
        inside = [] if self.prior is None else list(self.prior.parameters())
        known = {id(parameter) for parameter in inside}
        groups: list[dict[str, Any]] = [
            {"params": [parameter for parameter in self.model.parameters() if id(parameter) not in known]}
        ]
        if inside:
            groups.append({"params": inside, "clip_group": "prior" if self.spec.clip_apart else ""})
        return groups

    def loss(self, positions: np.ndarray, step: int) -> tuple[Tensor, Numbers]:
        """Mean objective over samples of the training split, and its unweighted terms."""
        first = int(positions[0])
        if self.stream:
            torch.manual_seed(stream_key(self.spec.seed, "affectdiff", self.stream, step, first) >> 1)
        batch = clean = self.corpus.batch(self.training[self.drawn(positions, step)])
        normal, uniform = self._draw(draws.normal, step, first), self._draw(draws.uniform, step, first)
        if self.spec.augment:
            streams, mask = augmented(batch.streams, batch.mask, self.spec, uniform, normal)
            batch = batch._replace(streams=streams, mask=mask)
        if isinstance(self.spec.model, ModelSpec):
            epoch = step // self.steps_per_epoch
            return joint_objective(
                self.model, self.spec, batch, clean, epoch, self.task_loss, normal, uniform
            )
        logits, extra, numbers = self.model.auxiliary(batch.streams, batch.mask, batch.labels)
        task = self.task_loss(logits, batch.labels)
        return task + extra, {"task": task.detach(), **numbers}

    def validate(self, step: int) -> dict[str, float]:
        """Scores of the whole validation split; see `validated`."""
        return validated(self.model, self.spec, self.corpus, self.task_loss)

    def drawn(self, positions: np.ndarray, step: int) -> np.ndarray:
        """The positions, or with ``oversample`` as many drawn so that every class is equally probable."""
        if not self.spec.oversample:
            return positions
        draw = generator(self.spec.seed, "affectdiff", "oversample", step, int(positions[0]))
        places = draw.random(len(positions)) * self.cumulative[-1]
        return np.searchsorted(self.cumulative[:-1], places, side="right")

    def _draw(self, kind: Any, step: int, first: int) -> Any:
        def draw(purpose: str, *, shape: tuple[int, ...]) -> Tensor:
            return kind(self.spec.seed, self.stream + purpose, step, shape, self.device, first)

        return draw
