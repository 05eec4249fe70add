"""Specs of face recognition: training on a face set, verification benchmarks, verification."""

from __future__ import annotations

from typing import Literal

from facetory.faces.spec import FaceSetSpec
from facetory.pipeline.spec import Spec, TrainSpec

FaceNetwork = Literal["iresnet50", "iresnet100", "small"]
Embedder = Literal["elasticface_arc", "elasticface_cos", "facenet", "dlib", "demo_context", "demo_judge"]
"""Identity networks by name (`recognition.judges_catalogue`)."""


class FaceRecognizerSpec(TrainSpec):
    """A face recogniser trained by CosFace (AdaptDiff, "FR training setup"); ``dataset`` names its face set.

    ``faces`` is the folder of the face set below the results folder (``syntheses/…`` or ``face_sets/…``).
    The first ``identities`` of it with ``images`` each are learnt from, less ``validation_share`` of the
    identities (at least ``validation_least``), on whose pairs the epoch is chosen and the plateau seen;
    ``selection`` "test" chooses on the mean of the ``benchmarks`` as the released code does (reading `code`)
    and holds nothing out.  ``operations`` and ``magnitude`` are those of RandAugment; without ``augment``
    faces are only mirrored.  The rate is ``lr`` x batch size / 512, and falls tenfold on a plateau of
    ``plateau_patience`` epochs or after the ``milestones``; training ends after ``patience`` epochs without a
    better one.  ``verification_batch`` faces make a forward pass of validation, however few there are.
    """

    faces: str
    network: FaceNetwork = "iresnet50"
    px: int = 112
    embedding: int = 512
    dropout: float = 0.4
    margin: float = 0.35
    scale: float = 64.0
    identities: int = 10_000
    images: int = 50
    augment: bool = True
    operations: int = 4
    magnitude: int = 16
    epochs: int = 200
    batch_size: int = 512
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    clip: float = 5.0
    schedule: Literal["plateau", "milestones"] = "plateau"
    plateau_patience: int = 4
    patience: int = 6
    milestones: tuple[int, ...] = (22, 30, 35)
    validation_share: float = 0.02
    validation_least: int = 2
    verification_batch: int = 128
    selection: Literal["validation", "test"] = "validation"
    benchmarks: tuple[str, ...] = ()

    def slug(self) -> list[str]:
        """What it learnt from, and how."""
        own = self.dataset.rpartition("-")
        return [own[0] or own[2], *([] if self.augment else ["plain"]), f"seed{self.seed}"]


class BenchmarkSpec(Spec):
    """Pairs of faces, the same person or not, in ``folds`` that share nobody, or IJB-C's templates.

    ``protocol`` "bin" reads a dataset's own pairs from insightface's `.bin`; "pairs" draws ``pairs`` of them
    from a face set, half of them of one person, with people disjoint between folds; "ijbc" reads IJB-C's
    1:1 protocol.
    """

    dataset: str
    protocol: Literal["bin", "pairs", "ijbc"] = "bin"
    faces: FaceSetSpec | None = None
    pairs: int = 6000
    folds: int = 10
    px: int = 112
    seed: int = 0

    def slug(self) -> list[str]:
        """Its name and protocol."""
        return [self.dataset, self.protocol]


class VerificationSpec(Spec):
    """The scores of a recogniser, or of a released embedder, on a benchmark.

    ``far`` is the rule for TAR at a FAR of IJB-C: the largest FPR that is at most the target, or the nearest
    one, as released.
    """

    model: FaceRecognizerSpec | Embedder
    benchmark: BenchmarkSpec
    far: Literal["at_most", "nearest"] = "at_most"
    batch_size: int = 128
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = 1

    def slug(self) -> list[str]:
        """Who is examined, on what."""
        name = self.model if isinstance(self.model, str) else "-".join(self.model.slug())
        return [name, self.benchmark.dataset]
