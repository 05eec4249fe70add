"""insightface's `.bin` verification sets: the pairs of LFW, AgeDB-30, CFP-FP, CALFW and CPLFW.

Such a file is a pickle of (2n encoded pictures, n booleans); pictures 2i and 2i + 1 are pair i, and the
boolean says whether they show the same person.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from facetory.data.catalogue import Entry
from facetory.data.images import rgb
from facetory.data.listing import Choose, Listing
from facetory.data.restricted_pickle import load_plain
from facetory.pipeline.fabricated import expected_sha256
from facetory.pipeline.files import FacetoryError, sha256_of
from facetory.pipeline.suggest import unknown

SHA256 = {
    "lfw": "9b711dca71a47fc9f295a28514abe8cc4e457632a8d634264691398c99569593",
    "agedb_30": "1af672c0ea829b95951b12628687956fe54263614b60b0ec5af9cdfdc4480b30",
    "cfp_fp": "76306c783c2ef59c8569ebdcdd2f529f450bcc3fad57c94a5fc2b91df0f10370",
    "calfw": "f643466e875865670a91d6d836dcd0af7ac41730f279ba13de1ed5ae6546c4db",
    "cplfw": "2d18b80537ef3dce1ba163d8829c5994d1408d4c2a84eee499bba5563d8da2fc",
}
"""The released files, by the name of the dataset and of the file."""


class Pairs(NamedTuple):
    """images: uint8 (2n, 3, px, px), pair i is images 2i and 2i + 1; same: bool (n,); face: int64 (2n,), one
    number for each distinct picture."""

    images: np.ndarray
    same: np.ndarray
    face: np.ndarray


def read_bin(path: Path | str, px: int = 112, sha256: str | None = None) -> Pairs:
    """The pairs of a `.bin` file, whose hash is checked before it is read.

    ``sha256`` is the hash it has to have, by default that of the released file of its name (`SHA256`).
    Square pictures of another size are resized.  Another hash, a pickle of anything else, counts that
    disagree, and a picture that cannot be decoded are `FacetoryError`s.
    """
    path = Path(path)
    if sha256 is None and path.stem not in SHA256:
        raise unknown("verification set", path.stem, SHA256, str(path))
    if not path.is_file():
        raise FacetoryError(f"{path}: the file is missing. Place insightface's {path.name} there.")
    expected = sha256 or expected_sha256(path, SHA256[path.stem])
    if (found := sha256_of(path)) != expected:
        raise FacetoryError(
            f"{path}: its sha256 is {found[:16]}…, expected {expected[:16]}…: truncated or another file. "
            "Get it again from insightface's datasets."
        )
    pictures, same = _parts(path, load_plain(path))
    seen: dict[bytes, int] = {}
    face = np.array([seen.setdefault(picture, len(seen)) for picture in pictures])
    firsts = np.unique(face, return_index=True)[1].tolist()
    distinct = [_decoded(pictures[i], px, f"{path}: image {i} (pair {i // 2})") for i in firsts]
    return Pairs(np.stack(distinct)[face], same, face)


def read(entry: Entry, source: Path, folder: Path, choose: Choose) -> Listing:
    """Refuses to make an index: the set has pairs of faces without labels."""
    raise FacetoryError(
        f"{entry.name}: a verification set of face pairs, which has no index. It is read by the benchmarks "
        "of face recognition."
    )


def _parts(path: Path, content: Any) -> tuple[list[bytes], np.ndarray]:
    """The encoded pictures, and what says of each pair whether it is the same person."""
    if not (isinstance(content, tuple) and len(content) == 2):
        raise FacetoryError(f"{path}: not a pickle of (pictures, same). Get the file again.")
    pictures, same = (part.tolist() if isinstance(part, np.ndarray) else part for part in content)
    if not isinstance(pictures, list) or not isinstance(same, list):
        raise FacetoryError(f"{path}: not a pickle of two lists. Get the file again.")
    if len(pictures) != 2 * len(same) or not same:
        raise FacetoryError(
            f"{path}: {len(pictures)} images for {len(same)} pairs, not two a pair. Get the file again."
        )
    for pair, answer in enumerate(same):
        if answer not in (0, 1) or not isinstance(answer, int):
            raise FacetoryError(f"{path}: pair {pair}: {answer!r} is neither true nor false.")
    for number, picture in enumerate(pictures):
        if not isinstance(picture, bytes | np.ndarray):
            raise FacetoryError(f"{path}: image {number}: {type(picture).__name__} instead of bytes.")
    return [bytes(picture) for picture in pictures], np.array(same, dtype=bool)


def _decoded(content: bytes, px: int, where: str) -> np.ndarray:
    """An encoded picture as RGB, uint8 (3, px, px)."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            face = rgb(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise FacetoryError(f"{where}: cannot be decoded ({error}). Get the file again.") from error
    if face.shape[0] != face.shape[1]:
        raise FacetoryError(f"{where}: {face.shape[1]} × {face.shape[0]} pixels, not square.")
    if len(face) != px:
        face = np.asarray(Image.fromarray(face).resize((px, px), Image.Resampling.LANCZOS))
    return face.transpose(2, 0, 1)
