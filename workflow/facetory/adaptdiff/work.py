"""What AdaptDiff's stages compute: faces through the generator, its first stage and identity networks."""

from __future__ import annotations

from facetory.adaptdiff.shards import candidates
from facetory.adaptdiff.spec import AuditSpec, ContextSpec, GeneratorSpec, SeparabilitySpec, SynthesisSpec
from facetory.pipeline.work import Sizes, Work


def unet(spec: GeneratorSpec) -> str:
    """A generator as `counted.json` names it."""
    return f"identity_unet/{spec.architecture}/{spec.backbone}/{spec.px}"


def training(spec: GeneratorSpec, sizes: Sizes) -> Work:
    """Every sample of every batch; nothing where the authors' weights are taken over."""
    return {} if spec.weights else {(unet(spec), "training"): spec.steps * spec.batch_size}


def contexts(spec: ContextSpec, sizes: Sizes) -> Work:
    """Every face and its mirror image."""
    faces = sizes.samples(spec.faces.dataset, spec.faces.split)
    return {(f"embedder/{spec.embedder}", "forward"): 2 * faces}


def synthesis(spec: SynthesisSpec, sizes: Sizes) -> Work:
    """A whole set: its faces under both contexts at every step, and decoded; no reserve is drawn."""
    faces = candidates(spec) * spec.images
    passes = 1 if spec.guidance.schedule == "none" else 2
    own = spec.generator
    return {
        (unet(own), "forward"): passes * faces * spec.sampler.steps,
        (f"decode/{own.backbone}/{own.px}", "forward"): faces,
    }


def separability(spec: SeparabilitySpec, sizes: Sizes) -> Work:
    """The faces that are compared."""
    faces = min(sizes.faces(spec.faces), spec.identities * spec.images)
    return {(f"embedder/{spec.judge}", "forward"): faces}


def audit(spec: AuditSpec, sizes: Sizes) -> Work:
    """The synthetic faces that are compared with the training people."""
    made = spec.synthesis
    embedder = made.generator.contexts.embedder
    return {(f"embedder/{embedder}", "forward"): made.identities * spec.images}
