"""What classifiers and face recognisers compute."""

from __future__ import annotations

from facetory.data.ijbc import PUBLISHED as IJBC
from facetory.pipeline.work import Sizes, Work, bounded
from facetory.recognition.face_spec import FaceRecognizerSpec, VerificationSpec
from facetory.recognition.spec import ClassifierEvalSpec, ClassifierSpec

VIEWS = 2
"""A face of a benchmark is seen with its mirror image."""


def network_of(spec: ClassifierSpec) -> str:
    """A classifier as `counted.json` names it; of latents, with the autoencoder they come from."""
    seen = f"latents-{spec.backbone}" if spec.view == "latents" else "faces"
    return f"classifier/{spec.network}/{spec.size}/{seen}/{spec.px}"


def training(spec: ClassifierSpec, sizes: Sizes) -> Work:
    """Every sample of every batch; nothing where the authors' weights are taken over."""
    return {} if spec.weights else {(network_of(spec), "training"): spec.steps * spec.batch_size}


def evaluation(spec: ClassifierEvalSpec, sizes: Sizes) -> Work:
    """Every clean sample, and those that are corrupted, each way."""
    samples = sizes.samples(spec.dataset, spec.split)
    corrupted = bounded(samples, spec.images_per_class, sizes.classes(spec.dataset))
    each_way = len(set(spec.corruptions) - {"clean"})
    return {(network_of(spec.train), "forward"): samples + corrupted * each_way}


def recogniser(spec: FaceRecognizerSpec, sizes: Sizes) -> Work:
    """Every face in every epoch: at most so many, as training may end sooner."""
    faces = min(sizes.faces(spec.faces), spec.identities * spec.images)
    return {(face_network(spec), "training"): faces * spec.epochs}


def verification(spec: VerificationSpec, sizes: Sizes) -> Work:
    """Both faces of every pair, of IJB-C at most all of its faces, with their mirror images."""
    asked = spec.benchmark
    pairs = asked.pairs if asked.protocol == "pairs" else sizes.samples(asked.dataset, "test")
    faces = min(2 * pairs, IJBC["faces"]) if asked.protocol == "ijbc" else 2 * pairs
    network = f"embedder/{spec.model}" if isinstance(spec.model, str) else face_network(spec.model)
    return {(network, "forward"): VIEWS * faces}


def face_network(spec: FaceRecognizerSpec) -> str:
    """A face recogniser as `counted.json` names it."""
    return f"face/{spec.network}/{spec.px}/{spec.embedding}"
