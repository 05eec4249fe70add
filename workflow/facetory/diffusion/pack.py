"""A data set for pretraining in one file: small compressed images, their captions, the captions' tokens."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from facetory.diffusion.pixels import resized
from facetory.pipeline.files import FacetoryError, open_tensors, read_metadata, write_tensors
from facetory.pipeline.randomness import sample_keys

if TYPE_CHECKING:
    from torch import Tensor

HELD_OUT = 50
"""One person in so many is held out (at least one)."""


class Packed(NamedTuple):
    """An unpacked data set.  ``caption`` indexes ``tokens``; its last row is the null prompt."""

    sample_ids: list[str]
    images: np.ndarray  # uint8, (n, 3, px, px)
    caption: np.ndarray  # int64, (n,)
    captions: list[str]
    tokens: Tensor  # float16, (captions + 1, length, width)
    held_out: np.ndarray  # bool, (n,)


def pack(
    faces: Path | str,
    output: Path | str,
    px: int,
    quality: int = 95,
    most_captions: int = 800,
    split: str | None = None,
) -> dict[str, Any]:
    """Pack a folder of aligned faces (by ledger.csv) or of renders (by index.csv) into one file.

    Images are resized to (px, px) and stored as JPEG without chroma subsampling.  Captions lose their last
    clauses until each fits the text encoder and no more than ``most_captions`` distinct ones are left.
    Returns counts.
    """
    from PIL import Image

    from facetory.data.images import read_image
    from facetory.diffusion.text import LENGTH, NULL, embed, token_count

    rows = [row for row in _rows(Path(faces)) if split is None or row["split"] == split]
    texts = shortened([row["caption"] for row in rows], LENGTH["minilm"], most_captions, token_count)
    captions = sorted(set(texts))
    number = {text: index for index, text in enumerate(captions)}
    files = []
    for row in rows:
        buffer = io.BytesIO()
        image = Image.fromarray(resized(read_image(row["file"]), px))
        image.save(buffer, format="JPEG", quality=quality, subsampling=0)
        files.append(np.frombuffer(buffer.getvalue(), dtype=np.uint8))
    people = sample_keys([row["person"] or row["sample_id"] for row in rows])
    distinct = np.unique(people)
    tensors: dict[str, np.ndarray] = {
        "bytes": np.concatenate(files),
        "offsets": np.cumsum([0, *map(len, files)], dtype=np.int64),
        "caption": np.array([number[text] for text in texts], dtype=np.int64),
        "tokens": embed([*captions, NULL], "minilm").numpy().astype(np.float16),
        "held_out": np.isin(people, distinct[: -(-len(distinct) // HELD_OUT)]),
    }
    sample_ids = [row["sample_id"] for row in rows]
    write_tensors(
        output, tensors, {"px": px, "quality": quality, "captions": captions, "sample_ids": sample_ids}
    )
    return {
        "images": len(rows),
        "captions": len(captions),
        "held_out": int(tensors["held_out"].sum()),
        "megabytes": round(Path(output).stat().st_size / 1e6, 1),
    }


def unpack(path: Path | str) -> Packed:
    """Read a packed data set and decode its images."""
    import torch
    from PIL import Image

    about = read_metadata(path)
    with open_tensors(path) as handle:
        stored = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    px, offsets = about["px"], stored["offsets"]
    images = np.empty((len(offsets) - 1, 3, px, px), dtype=np.uint8)
    for row, (first, end) in enumerate(pairwise(offsets)):
        with Image.open(io.BytesIO(stored["bytes"][first:end].tobytes())) as image:
            images[row] = np.asarray(image).transpose(2, 0, 1)
    return Packed(
        about["sample_ids"],
        images,
        stored["caption"],
        about["captions"],
        torch.from_numpy(stored["tokens"]),
        stored["held_out"],
    )


def shortened(captions: Sequence[str], most_tokens: int, most_distinct: int, count: Any) -> list[str]:
    """Captions without their last comma-separated clauses: first from those that are too long, then from all.

    ``count`` maps prompts to their numbers of tokens.
    """
    distinct = sorted(set(captions))
    short = {}
    for caption in distinct:
        clauses = caption.split(", ")
        while len(clauses) > 1 and count([", ".join(clauses)])[0] > most_tokens:
            clauses.pop()
        short[caption] = clauses
    longest = max(len(clauses) for clauses in short.values())
    for kept in range(longest, 0, -1):
        cut = {caption: ", ".join(clauses[:kept]) for caption, clauses in short.items()}
        if len(set(cut.values())) <= most_distinct:
            return [cut[caption] for caption in captions]
    raise FacetoryError(
        f"pack: more than {most_distinct} distinct captions remain when only their first clauses are kept. "
        "Compose captions from fewer attributes, the most telling first."
    )


def _rows(folder: Path) -> list[dict[str, Any]]:
    """sample_id, split, person, caption and file of every image of a folder of faces or renders."""
    from facetory.data.index import read_csv

    columns = ("sample_id", "split", "person", "caption")
    if (folder / "index.csv").exists():
        rows = [row | {"file": folder / row["image"]} for _, row in read_csv(folder / "index.csv", columns)]
    else:
        images = folder / "images"
        rows = [
            row | {"file": images / f"{row['sample_id']}.png"}
            for _, row in read_csv(folder / "ledger.csv", columns)
        ]
    if not rows:
        raise FacetoryError(f"{folder}: there are no images to pack. Render or align them first.")
    return rows
