"""The `adaptdiff` part of a scale file."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from facetory.adaptdiff.spec import Method
from facetory.faces.spec import Alignment
from facetory.pipeline.spec import Precision
from facetory.recognition.face_spec import Embedder, FaceNetwork


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Generator(_Strict):
    """How the generator is trained; ``weights`` names authors' checkpoints below data_root by slot.

    A checkpoint that is placed is taken, and nothing is trained then.
    """

    architecture: str = "idiff_face"
    steps: int = 150_000
    batch_size: int = 512
    lr: float = 1e-4
    decay: Literal["constant", "cosine", "cosine_restarts"] = "cosine_restarts"
    ema: float = 0.9999
    initial: str | None = None
    weights: dict[str, str] = {}
    precision: Precision = "no"
    checkpoint_every: int = 5000


class Size(_Strict):
    """Identities of a synthetic set, images of each, more that are drawn where no face is found; its jobs."""

    identities: int
    images: int
    spare: int = 0
    shards: int = 1


class Recognition(_Strict):
    """How face recognisers are trained; ``milestones`` go with the schedule of that name."""

    network: FaceNetwork = "iresnet50"
    embedding: int = 512
    epochs: int = 200
    batch_size: int = 512
    lr: float = 0.1
    schedule: Literal["plateau", "milestones"] = "plateau"
    milestones: tuple[int, ...] = (22, 30, 35)
    patience: int = 6
    validation_share: float = 0.02
    validation_least: int = 2
    precision: Precision = "no"
    checkpoint_every: int = 5000


class Pairs(_Strict):
    """Pairs that are drawn from the people of a stand-in, in place of a benchmark's own."""

    split: Literal["train", "validation", "test", "all"] = "all"
    pairs: int = 6000
    folds: int = 10


class Seeds(_Strict):
    """Seeds of the synthetic sets whose separability is measured, and of the face recognisers."""

    synthesis: tuple[int, ...] = (0, 1, 2)
    recognition: tuple[int, ...] = (0, 1, 2)


class AdaptDiffScale(_Strict):
    """Sizes of the AdaptDiff paper at one scale.

    ``full`` sets train face recognisers, ``ablation`` ones are only compared by their scores.
    ``inference_steps`` maps the paper's numbers to those that this scale affords, by sampler.  ``alignments``
    (of authentic faces) and ``judges`` are by slot, where they differ from ``alignment`` and ``judge``.
    ``verification_batch`` faces make a forward pass of verification and validation, however few there are.
    ``drawn`` names the benchmarks' slots whose pairs are drawn from a stand-in.
    """

    backbone: str = "vq-f4"
    px: int = 128
    generator: Generator = Generator()
    embedder: Embedder = "elasticface_arc"
    context_size: int = 512
    pool: int = 10_050
    full: Size = Size(identities=10_000, images=50, spare=10, shards=100)
    ablation: Size = Size(identities=1000, images=20, spare=4, shards=10)
    separability: Size = Size(identities=1000, images=20)
    impostor_share: float = 0.05
    inference_steps: dict[Method, dict[int, int]] = {}
    alignment: Alignment = "mtcnn"
    alignments: dict[str, Alignment] = {}
    face_px: int = 112
    judge: Embedder = "elasticface_cos"
    judges: dict[str, Embedder] = {}
    recognition: Recognition = Recognition()
    verification_batch: int = 128
    drawn: dict[str, Pairs] = {}
    seeds: Seeds = Seeds()
    batch_rows: int = 64
    precision: Precision = "no"
    audited: int = 1
