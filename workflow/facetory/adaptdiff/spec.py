"""AdaptDiff's specs: contexts, the generator, identities and negatives, guidance, synthesis, separability."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from facetory.faces.spec import Alignment, FaceSetSpec
from facetory.pipeline.spec import FaceTrainSpec, Spec
from facetory.recognition.face_spec import Embedder

Negative = Literal["far", "mid", "close", "random", "null"]
Method = Literal["ddpm", "ddim", "dpmpp", "unipc"]


class ContextSpec(Spec):
    """Identity contexts: the unit embedding of every face of a set, and of its mirror image."""

    faces: FaceSetSpec
    embedder: Embedder = "elasticface_arc"
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = 1

    def slug(self) -> list[str]:
        """Who is embedded, by what."""
        return [self.faces.dataset, self.embedder]


class GeneratorSpec(FaceTrainSpec):
    """The identity-conditioned latent diffusion model (IDiff-Face with CPD 25 %).

    ``backbone`` is the first stage, ``architecture`` a preset of adaptdiff/architectures.py, ``px`` the side
    of the faces whose latents are learnt.  ``context_dropout`` drops components of the projected context
    (contextual partial dropout).  ``weights`` is the authors' checkpoint below data_root, which is not
    trained further; ``initial`` a folder with a model to start from.  ``ema`` is the ceiling of the running
    mean's decay, 1 − (1 + step)^−0.75; 0 is the released run's, whose running mean is inert.
    ``restart`` is the length of the first cycle of "cosine_restarts"; each is twice the one before.
    """

    loss: Literal["noise_prediction"] = "noise_prediction"
    architecture: str = "idiff_face"
    contexts: ContextSpec
    context_dropout: float = 0.25
    weights: str | None = None
    initial: str | None = None
    steps: int = 150_000
    batch_size: int = 512
    weight_decay: float = 0.0
    clip: float = 0.0
    decay: Literal["constant", "cosine", "cosine_restarts"] = "cosine_restarts"
    ema: float = 0.9999
    restart: int = 10_000
    timesteps: int = 1000
    beta_start: float = 1e-4
    beta_end: float = 0.02

    def slug(self) -> list[str]:
        """What it learnt from, through which first stage."""
        return [self.dataset, self.backbone, f"seed{self.seed}"]


class IdentitiesSpec(Spec):
    """Synthetic identities, uniform on the sphere, and the negative partners of each among them."""

    count: int = 10_050
    size: int = 512
    seed: int = 0

    def slug(self) -> list[str]:
        """How many, in how many dimensions."""
        return [f"{self.count}", f"d{self.size}"]


class Guidance(Spec):
    """ε̂ = (1 + w) ε(p⁺) − w ε(p⁻), and how w runs over the timesteps.

    "none": w = 0 (IDiff-Face); "constant": w = w_max (NegFaceDiff); "linear": w = w_max (1 − t/T)
    (AdaptDiff); "reverse": w = w_max t/T, a control.
    """

    schedule: Literal["none", "constant", "linear", "reverse"] = "linear"
    w_max: float = Field(default=1.0, ge=0)
    negative: Negative = "far"


class IdentitySampler(Spec):
    """The sampler and its steps; ``released`` are the released code's variants of DDPM and DDIM."""

    method: Method = "ddpm"
    steps: int = 1000
    released: bool = False


class SynthesisSpec(Spec):
    """Synthetic faces: of each identity ``images``, from up to ``images + spare`` that are drawn.

    Identities of which fewer are found by the detector are left out; the first ``identities`` of the pool
    that are complete are kept.  The set does not depend on shards, resume or ``batch_rows``.
    ``px`` is the side of the aligned faces.
    """

    generator: GeneratorSpec
    pool: IdentitiesSpec = IdentitiesSpec()
    identities: int = 10_000
    images: int = 50
    spare: int = 10
    guidance: Guidance = Guidance()
    sampler: IdentitySampler = IdentitySampler()
    alignment: Alignment = "mtcnn"
    px: int = 112
    batch_rows: int = 64
    seed: int = 0
    precision: Literal["no", "bf16", "fp16"] = "no"
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = 1

    def slug(self) -> list[str]:
        """Whose faces, how they are guided and sampled."""
        own = self.guidance
        guided = [own.schedule] if own.schedule == "none" else [f"{own.schedule}{own.w_max:g}", own.negative]
        sampler = f"{self.sampler.method}{self.sampler.steps}"
        return [self.generator.dataset, *guided, sampler, f"seed{self.seed}"]


class SeparabilitySpec(Spec):
    """Genuine and impostor scores of a face set by an embedder that had no part in it.

    ``faces`` is the set's folder below the results folder.  Of the first ``identities`` ``images`` each are
    compared: all pairs within an identity; and of each identity all cross pairs with a seeded
    ``impostor_share`` of the later ones, without replacement (1: all of them).
    """

    faces: str
    judge: Embedder = "elasticface_cos"
    identities: int = 1000
    images: int = 20
    impostor_share: float = 0.05
    seed: int = 0
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = 1

    def slug(self) -> list[str]:
        """The set that is judged, and by whom."""
        return [self.faces.partition("/")[2].rpartition("-")[0], self.judge]


class AuditSpec(Spec):
    """Identity leakage: how near synthetic faces come to the training people of their generator.

    ``images`` of each identity are compared by the embedder of the generator's contexts.
    """

    synthesis: SynthesisSpec
    images: int = 1
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = 1

    def slug(self) -> list[str]:
        """The set that is audited."""
        return self.synthesis.slug()
