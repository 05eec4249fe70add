"""Records of SMC's stages with known numbers, as the stages write them."""

from pathlib import Path

import numpy as np
from facetory.data.labels import BASIC
from facetory.pipeline.files import sha256_of, write_json, write_tensors

FACES, PARTICLES, SCORINGS = 6, 4, 3


def store(folder: Path, name: str, tensors: dict, about: dict, status: str, **more) -> None:
    """A stage's file and the manifest that holds its hash."""
    write_tensors(folder / name, tensors, about)
    outputs = {name: sha256_of(folder / name)}
    write_json(folder / "manifest.json", {"status": status, "outputs": outputs, **more})


def failed(folder: Path, reason: str) -> None:
    write_json(folder / "manifest.json", {"status": "not_run", "reason": reason})


def edit(folder: Path, spec, target: str = "happiness", seconds: float = 3.0) -> None:
    """Six faces of three people; ESS 1, 2, 3 at the three scorings, two roots left."""
    trace = np.tile(np.arange(1.0, SCORINGS + 1, dtype=np.float32), (FACES, 1))
    parents = np.tile(np.array([0, 0, 1, 1]), (FACES, SCORINGS, 1))
    pictures = np.full((FACES, 3, 8, 8), 128, dtype=np.uint8)
    tensors = {
        "sources": pictures,
        "reconstructions": pictures,
        "edited": pictures,
        "labels": np.full(FACES, BASIC.index("neutral")),
        "targets": np.full(FACES, BASIC.index(target)),
        "guide_scores": np.full((FACES, PARTICLES), 0.5, dtype=np.float32),
        "chosen": np.zeros(FACES, dtype=np.int64),
        "log_weights": np.full((FACES, PARTICLES), -np.log(PARTICLES), dtype=np.float32),
        "scores": np.full((FACES, SCORINGS, PARTICLES), 0.5, dtype=np.float32),
        "ess": trace,
        "ancestors": parents,
        "unique_roots": np.tile(np.array([4, 3, 2]), (FACES, 1)),
    }
    about = {
        **people(),
        "classes": list(BASIC),
        "guide_classes": list(BASIC),
        "spec": spec.model_dump(mode="json"),
        "timesteps": [200, 100, 0],
        "scored_steps": [0, 1, 2],
        "counts": {"unet": 60, "decode": 30, "guide": 30},
        "unshared": {"unet": 72, "decode": 72, "guide": 72},
        "multiply_accumulates": {"unet": 1e12, "decode": 2e12, "guide": 0.0},
        "seconds": seconds,
        "device_name": "a CPU",
        "particles": PARTICLES,
    }
    store(folder, "edits.safetensors", tensors, about, "edited")


def measure(folder: Path, spec, target: str = "happiness", flipped=(True, False) * 3) -> None:
    """The judge is sure of the target for every second face; the first face was so before."""
    at, classes = BASIC.index(target), list(reversed(BASIC))
    after = np.full((FACES, len(BASIC)), 0.1 / 6, dtype=np.float32)
    after[0::2, classes.index(target)] = 0.9
    before = np.full((FACES, len(BASIC)), 0.1, dtype=np.float32)
    random = np.random.default_rng(at)
    tensors = {
        "guide_target": np.linspace(0, 1, FACES, dtype=np.float32),
        "judge_target": after[:, classes.index(target)],
        "judge_source": before,
        "judge_edited": after,
        "flipped": np.array(flipped),
        "eligible": np.array([False] + [True] * 5),
        "realism": np.full(FACES, 0.99, dtype=np.float32),
        "identity": np.array([0.5, 0.7, np.nan, 0.5, 0.7, 0.6], dtype=np.float32),
        "identity_reconstruction": np.full(FACES, 0.8, dtype=np.float32),
        "distance": np.full(FACES, 0.2, dtype=np.float32),
        "distance_reconstruction": np.full(FACES, 0.1, dtype=np.float32),
        "features_source": random.normal(size=(FACES, 4)).astype(np.float32),
        "features_edited": random.normal(size=(FACES, 4)).astype(np.float32),
    }
    about = {**people(), "judge_classes": classes, "spec": spec.model_dump(mode="json")}
    store(folder, "measures.safetensors", tensors, about, "measured")


def reconstruction(folder: Path, spec) -> None:
    """PSNR 30 with glasses, 20 without; no label says anything of beards."""
    glasses = np.array([True, False] * 3)
    tensors = {
        "psnr": np.where(glasses, 30, 20).astype(np.float32),
        "distance": np.full(FACES, 0.1, dtype=np.float32),
        "attributes": glasses[:, None],
    }
    about = {**people(), "attributes": ["glasses"], "spec": spec.model_dump(mode="json")}
    store(folder, "records.safetensors", tensors, about, "reconstructed")


def people() -> dict:
    return {
        "sample_ids": [f"s{i}" for i in range(FACES)],
        "persons": [f"p{i // 2}" for i in range(FACES)],
    }
