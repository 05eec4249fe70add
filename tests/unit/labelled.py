"""A small dataset for tests: faces whose bright row tells one of three classes, and their latents."""

import csv
from pathlib import Path

import numpy as np
from facetory.pipeline.files import sha256_of, write_tensors
from PIL import Image

CLASSES = ["surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"]
SEEN = (0, 3, 5)
PEOPLE = {"train": 24, "test": 8}


def dataset(folder: Path, latents_tell: bool = False) -> tuple[Path, Path, Path]:
    """The ledger of aligned faces, and the latents of both splits, which tell the class or are noise."""
    random = np.random.default_rng(0)
    faces = folder / "faces" / "drawn"
    (faces / "images").mkdir(parents=True)
    rows = []
    for split, people in PEOPLE.items():
        names, persons, labels, means = [], [], [], []
        for person in range(people):
            for place, label in enumerate(SEEN):
                name = f"{split}{person}_{label}"
                face = random.integers(0, 120, (20, 20, 3), dtype=np.uint8)
                face[4 + 5 * place : 7 + 5 * place] += 130
                path = faces / "images" / f"{name}.png"
                Image.fromarray(face).save(path)
                rows.append([name, split, CLASSES[label], f"{split}{person}", sha256_of(path)])
                mean = random.normal(size=(2, 4, 8, 8))
                mean[:, place] += 3 * latents_tell
                names, persons = [*names, name], [*persons, f"{split}{person}"]
                labels, means = [*labels, label], [*means, mean]
        about = {"sample_ids": names, "persons": persons, "classes": CLASSES}
        about |= {"scaling_factor": 0.5, "corruption": "clean"}
        tensors = {"mean": np.stack(means).astype(np.float16), "labels": np.array(labels)}
        write_tensors(folder / f"{split}.safetensors", tensors, about)
    with (faces / "ledger.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["sample_id", "split", "label", "person", "sha256"], *rows])
    return (
        folder / "faces" / "drawn" / "ledger.csv",
        folder / "train.safetensors",
        folder / "test.safetensors",
    )
