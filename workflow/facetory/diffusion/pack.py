"""A data set for pretraining in one file: small compressed images, their captions, the captions' tokens."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from facetory.faces.views import resized
from facetory.pipeline.files import FacetoryError, open_tensors, read_metadata, write_tensors
from facetory.pipeline.randomness import sample_keys

if TYPE_CHECKING:
    from torch import Tensor

HELD_OUT = 50
"""One person in so many is held out (at least one)."""


class Packed(NamedTuple):
    """An unpacked data set.

    ``caption`` holds a row of ``tokens`` for each sentence of an image's caption: who it shows, what the face
    does, how it was taken.  The last row of ``tokens`` is the null prompt.
    """

    sample_ids: list[str]
    images: np.ndarray  # uint8, (n, 3, px, px)
    caption: np.ndarray  # int64, (n, sentences)
    captions: list[str]
    tokens: Tensor  # float16, (captions + 1, length, width)
    held_out: np.ndarray  # bool, (n,)


def pack(
    faces: Path | str,
    output: Path | str,
    px: int,
    quality: int = 95,
    most_captions: int = 2500,
    split: str | None = None,
) -> dict[str, Any]:
    """Pack a folder of aligned faces (by ledger.csv) or of renders (by index.csv) into one file.

    Images are resized to (px, px) and stored as JPEG without chroma subsampling.  The sentences of a
    caption, far fewer than their combinations, stand for themselves; they lose clauses until they
    fit the text encoder and no more than ``most_captions`` distinct ones are left.  Returns counts.
    """
    from PIL import Image

    from facetory.data.images import read_image
    from facetory.diffusion.text import LENGTH, NULL, embed, token_count

    rows = [row for row in _rows(Path(faces)) if split is None or row["split"] == split]
    said = [sentence for row in rows for sentence in sentences(row["caption"])]
    texts = merged(fitted(said, LENGTH["minilm"], token_count), most_captions)
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
        "caption": np.array([number[text] for text in texts], dtype=np.int64).reshape(len(rows), -1),
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


def sentences(caption: str) -> list[str]:
    """ "A photo of a man. A photo, looking up." as its two sentences."""
    return [f"{sentence}." for sentence in caption.rstrip(".").split(". ")]


def fitted(captions: Sequence[str], most_tokens: int, count: Callable[[list[str]], list[int]]) -> list[str]:
    """Captions that lost their last clauses as far as it takes to fit; ``count`` counts tokens."""
    short = {caption: caption for caption in set(captions)}
    counted = zip(short, count(list(short)), strict=True)
    while long := [caption for caption, tokens in counted if tokens > most_tokens]:
        for caption in long:
            short[caption] = without_last_clause(short[caption])
        counted = zip(long, count([short[caption] for caption in long]), strict=True)
    return [short[caption] for caption in captions]


def merged(captions: Sequence[str], most: int) -> list[str]:
    """Captions of which the rarest lost their last clauses until at most ``most`` distinct ones remain."""
    now = {caption: caption for caption in captions}
    number = Counter(captions)
    while len(number) > most:
        rarest = min((c for c in number if ", " in c), key=lambda c: (number[c], c), default=None)
        if rarest is None:
            raise FacetoryError(
                f"pack: {len(number)} distinct first clauses, more than {most}. Compose captions of fewer "
                "attributes, or raise the number of captions."
            )
        number[without_last_clause(rarest)] += number.pop(rarest)
        now = {
            caption: without_last_clause(text) if text == rarest else text for caption, text in now.items()
        }
    return [now[caption] for caption in captions]


def without_last_clause(caption: str) -> str:
    """The caption up to its last comma; one that has none is a `FacetoryError`."""
    head, comma, _ = caption.rpartition(", ")
    if not comma:
        raise FacetoryError(
            f"pack: the first clause of {caption!r} is too long for the text encoder. Shorten it."
        )
    return f"{head}."


def _rows(folder: Path) -> list[dict[str, Any]]:
    """sample_id, split, person, caption and file of every image of a folder (or its list)."""
    from facetory.data.index import read_csv

    folder = folder.parent if folder.is_file() else folder
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
