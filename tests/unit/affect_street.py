"""A recognizer and its segments in miniature: random weights, random features, the real file formats."""

from pathlib import Path

import numpy as np
import torch
from facetory.affectdiff.batches import load
from facetory.affectdiff.export import export_recognizer
from facetory.affectdiff.networks import WEIGHTS, build
from facetory.affectdiff.normalisation import tensors_of
from facetory.affectdiff.score import score_recognizer
from facetory.affectdiff.spec import BaselineSpec, ModelSpec, RecognizerSpec, ScoreSpec
from facetory.affectdiff.train import data_of
from facetory.data.mosei.segments import Segments, write_segments
from facetory.data.mosei.spec import MODALITIES, AlignmentSpec, CorpusSpec
from facetory.data.mosei.synthetic import planted
from facetory.pipeline.files import sha256_of, write_json, write_tensors

DIMS = (5, 4, 3)
LENGTH = 6
VIDEOS, PER_VIDEO = 12, 5
CORPUS = CorpusSpec(dataset="synthetic_mosei", videos=VIDEOS)
TINY = {
    "dims": DIMS,
    "length": LENGTH,
    "hidden": 16,
    "layers": 1,
    "heads": 2,
    "latent": 16,
    "prior_width": 16,
    "prior_timesteps": 40,
}


def affect_diff(**fields) -> RecognizerSpec:
    model, rest = {**TINY}, {}
    for name, value in fields.items():
        (model if name in ModelSpec.model_fields else rest)[name] = value
    return _trained(ModelSpec(**model), **rest)


def baseline(network: str = "tfn", **fields) -> RecognizerSpec:
    return _trained(BaselineSpec(network=network, dims=DIMS, length=LENGTH), **fields)


def _trained(model, policy="strict", **rest) -> RecognizerSpec:
    alignment = AlignmentSpec(corpus=CORPUS, policy=policy, length=LENGTH)
    return RecognizerSpec(dataset=CORPUS.dataset, model=model, alignment=alignment, seed=1, **rest)


def segments(seed: int = 0, dims: tuple[int, int, int] = DIMS) -> Segments:
    """60 segments of up to 8 rows (longer than the model reads); some have no audio."""
    random = np.random.default_rng(seed)
    n = VIDEOS * PER_VIDEO
    offsets = np.concatenate([[0], np.cumsum(random.integers(1, 9, n))]).astype(np.int64)
    rows = int(offsets[-1])
    streams = {
        m: random.normal(3, 2, (rows, d)).astype(np.float32) for m, d in zip(MODALITIES, dims, strict=True)
    }
    valid = {m: np.ones(rows, bool) for m in MODALITIES}
    for i in range(0, n, 7):
        silent = slice(offsets[i], offsets[i + 1])
        valid["audio"][silent], streams["audio"][silent] = False, np.nan
    return Segments(
        streams,
        dict.fromkeys(MODALITIES, offsets),
        valid,
        np.eye(6, dtype=np.float32)[random.integers(6, size=n)] * 2,
        random.uniform(-3, 3, n).astype(np.float32),
        np.tile([0.0, 1.0], (n, 1)),
        [f"video{i // PER_VIDEO}[{i % PER_VIDEO}]" for i in range(n)],
        {"corpus": {"title": "Synthetic MOSEI", "synthetic": True, "planted": planted()}},
    )


def written(folder: Path, of: Segments | None = None) -> Path:
    path = folder / "segments.safetensors"
    write_segments(path, of or segments())
    return path


def recognizer(folder: Path, spec: RecognizerSpec, segments_path: Path) -> Path:
    """A "trained" recognizer's folder: initial weights, spread so that predictions differ."""
    module = build(spec)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.dim() > 1 and not name.startswith("prior"):
                parameter.mul_(2)
    corpus = load(segments_path, spec)
    weights = folder / WEIGHTS
    tensors = {**module.state_dict(), **tensors_of(corpus.normalisation)}
    write_tensors(
        weights, {k: v.contiguous() for k, v in tensors.items()}, {"spec": spec.model_dump(mode="json")}
    )
    write_json(
        folder / "manifest.json",
        {
            "status": "trained",
            "spec": spec.model_dump(mode="json"),
            "outputs": {WEIGHTS: sha256_of(weights)},
            "parameters": {"total": 1234, "trainable": 1234, "without_prior": 1234},
            "data": data_of(corpus, spec),
        },
    )
    return folder


def scores(folder: Path, trained: Path, spec: RecognizerSpec, segments_path: Path) -> Path:
    score_recognizer(ScoreSpec(train=spec, conditions=("clean",)), trained, segments_path, folder)
    return folder


def exported(root: Path, spec: RecognizerSpec | None = None, scored: bool = False, **options) -> Path:
    """A model's folder, as people get it."""
    spec = spec or affect_diff(masks=True, policy="masked")
    segments_path = written(root, segments(dims=spec.model.dims))
    trained = recognizer(root / "recognizer", spec, segments_path)
    of = scores(root / "scores", trained, spec, segments_path) if scored else None
    export_recognizer(trained, of, root / "model", **options)
    return root / "model"


def utterance(rows: int = 4, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {m: random.normal(3, 2, (rows, d)) for m, d in zip(MODALITIES, DIMS, strict=True)}
