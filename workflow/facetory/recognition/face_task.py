"""Learning to tell people apart by CosFace, as a task of the training loop (AdaptDiff, "FR training")."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import torch
import torch.nn.functional as F

from facetory.pipeline.randomness import sample_keys, stream_key
from facetory.recognition.cosface import Prototypes
from facetory.recognition.face_model import describing
from facetory.recognition.iresnet import normalised
from facetory.recognition.rand_augment import augmented, drawn
from facetory.training.schedule import batch_positions

if TYPE_CHECKING:
    from torch import Tensor, nn

    from facetory.faces.face_set import FaceSet
    from facetory.recognition.face_data import Split
    from facetory.recognition.face_model import Describe
    from facetory.recognition.face_spec import FaceRecognizerSpec

T = TypeVar("T")


class FaceRecognition:
    """The network and one prototype for each person; what a face looks like at a step follows from its name.

    The gradients of the network and of the prototypes are clipped apart, as released.
    """

    def __init__(
        self,
        spec: FaceRecognizerSpec,
        faces: FaceSet,
        split: Split,
        network: nn.Module,
        score: Callable[[Describe], dict[str, float]],
        device: str = "cpu",
    ) -> None:
        self.spec, self.faces, self.split, self.score, self.device = spec, faces, split, score, device
        self.size = len(split.training)
        self.keys = sample_keys([faces.sample_ids[place] for place in split.training])
        self.labels = torch.from_numpy(split.labels)
        channels_last: Any = {"memory_format": torch.channels_last}
        self.network = network.to(device).to(**channels_last)
        self.prototypes = Prototypes(len(split.people), spec.embedding, spec.seed).to(device)
        self.key = stream_key(spec.seed, "face recogniser", "augmentation")
        self.operations = spec.operations if spec.augment else 0
        self.batch = Ahead(self._batch) if device.startswith("cuda") else self._batch
        self.step, self.waiting = -1, np.empty(0)

    def modules(self) -> dict[str, nn.Module]:
        """The network and the prototypes."""
        return {"network": self.network, "prototypes": self.prototypes}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Both, with the schedule's rate and decay."""
        learnt = [weight for weight in self.network.parameters() if weight.requires_grad]
        prototypes = list(self.prototypes.parameters())
        return [{"params": learnt}, {"params": prototypes, "clip_group": "prototypes"}]

    def loss(self, positions: np.ndarray, step: int) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Mean cross-entropy of CosFace's logits, and the share of faces nearest to their own prototype.

        The parts of a step come in order, as the loop cuts them.
        """
        if step != self.step or not len(self.waiting):
            self.step, self.waiting = step, self.batch(step)
        shown, self.waiting = np.split(self.waiting, [len(positions)])
        labels = self.labels[positions].to(self.device)
        features = self.network(normalised(torch.from_numpy(shown).to(self.device), self.spec.px))
        logits = self.prototypes(features, labels, self.spec.margin, self.spec.scale)
        own = logits.detach().gather(1, labels[:, None])[:, 0] + self.spec.scale * self.spec.margin
        right = (own >= logits.detach().amax(1)).float().mean()
        return F.cross_entropy(logits, labels), {"accuracy": right}

    def validate(self, step: int) -> dict[str, float]:
        """The numbers of `score`; "accuracy" chooses the epoch."""
        return self.score(describing(self.network, self.spec.px, self.device, self.spec.verification_batch))

    def names(self, step: int) -> list[str]:
        """The sample ids of a step's batch."""
        return [self.faces.sample_ids[place] for place in self.split.training[self._positions(step)]]

    def _positions(self, step: int) -> np.ndarray:
        return batch_positions(step, self.spec.batch_size, self.size, self.spec.seed)

    def _batch(self, step: int) -> np.ndarray:
        """The faces of a step as the network sees them, uint8 (batch, 3, px, px)."""
        positions = self._positions(step)
        numbers = drawn(self.key, self.keys[positions], step, self.operations)
        return augmented(self.faces.pixels(self.split.training[positions]), numbers, self.spec.magnitude)


class Ahead(Generic[T]):
    """A function of the step, whose next value is computed while the last one is used."""

    def __init__(self, function: Callable[[int], T]) -> None:
        self.function, self.pool = function, ThreadPoolExecutor(1)
        self.step, self.value = -1, Future[T]()

    def __call__(self, step: int) -> T:
        """function(step)."""
        found = self.value.result() if step == self.step else self.function(step)
        self.step, self.value = step + 1, self.pool.submit(self.function, step + 1)
        return found
