"""IJB-C's 1:1 protocol (Maze et al., ICB 2018) as insightface lays it out: faces, templates and their pairs.

A template is a person's faces, stills and frames of videos; a medium is one still or one video.  Three texts
tell each face's template and medium, each face's five points and detector score, and the pairs of templates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facetory.data.catalogue import Entry
from facetory.data.listing import Choose, Listing
from facetory.pipeline.files import FacetoryError

FACES, PAIRS, POINTS = (
    f"meta/ijbc_{name}.txt" for name in ("face_tid_mid", "template_pair_label", "name_5pts_score")
)
TEXTS = (FACES, POINTS, PAIRS)
IMAGES = "loose_crop"
PUBLISHED = {"faces": 469_375, "templates": 23_124, "pairs": 15_658_489}
BLOCK = 2**24
MAX_DIGITS = 9
SHOWN = 60


class Protocol(NamedTuple):
    """n faces, t templates, p pairs of templates.

    names: n files in `IMAGES`; template: (n,) int32 in 0 … t−1; media: (n,) int32, its number in the file;
    points: (n, 5, 2) float32, x and y of eyes, nose and corners of the mouth; score: (n,) float32 of the
    detector; first, second: (p,) int32, templates; same: (p,) bool.
    """

    names: list[str]
    template: np.ndarray
    media: np.ndarray
    points: np.ndarray
    score: np.ndarray
    first: np.ndarray
    second: np.ndarray
    same: np.ndarray


def read_protocol(source: Path | str) -> Protocol:
    """The protocol in a folder of IJB-C; what is missing or malformed is a `FacetoryError` with its line.

    The two texts of the faces have to name the same ones line by line, and pairs consist of templates that
    have faces.
    """
    source = Path(source)
    names, template_ids, media = _faces(source / FACES)
    points, score = _points(source / POINTS, names)
    ids, template = np.unique(template_ids, return_inverse=True)
    first, second, label = read_integers(source / PAIRS, 3).T
    _check(source / PAIRS, label <= 1, "the label is neither 0 nor 1")
    for side in (first, second):
        _check(source / PAIRS, np.isin(side, ids), f"a template that {FACES} does not name")
    first, second = (np.searchsorted(ids, side).astype(np.int32) for side in (first, second))
    return Protocol(names, template.astype(np.int32), media, points, score, first, second, label.astype(bool))


def read_integers(path: Path, columns: int) -> np.ndarray:
    """Lines of exactly ``columns`` integers, 0 … 999,999,999, as int32 (lines, columns).

    One space stands between them.  Anything else in a line, and a blank one, is a `FacetoryError` that names
    it.
    """
    parts, lines = [np.zeros((0, columns), dtype=np.int32)], 0
    for block in _blocks(path):
        text = np.frombuffer(block, dtype=np.uint8)
        ends = np.flatnonzero((text < ord("0")) | (text > ord("9")))
        digits = np.diff(ends, prepend=-1) - 1
        expected = np.array([ord(" ")] * (columns - 1) + [ord("\n")], dtype=np.uint8)
        whole = len(ends) % columns == 0 and (text[ends].reshape(-1, columns) == expected).all()
        if not whole or digits.min() < 1 or digits.max() > MAX_DIGITS:
            raise _malformed(path, block, lines, columns)
        numbers = np.zeros(len(ends), dtype=np.int32)
        for place in range(digits.max()):
            digit = text[np.maximum(ends - 1 - place, 0)].astype(np.int32) - ord("0")
            numbers += np.where(place < digits, digit * 10**place, 0)
        parts.append(numbers.reshape(-1, columns))
        lines += len(parts[-1])
    return np.concatenate(parts)


def read(entry: Entry, source: Path, folder: Path, choose: Choose) -> Listing:
    """Refuses to make an index: the set has pairs of templates, without labels of faces."""
    raise FacetoryError(
        f"{entry.name}: a verification set, which has no index. It is read by the benchmarks of face "
        "recognition."
    )


def _blocks(path: Path) -> Iterator[bytes]:
    """A file's whole lines, many at a time; the last line need not end."""
    rest = b""
    with _present(path).open("rb") as handle:
        while block := handle.read(BLOCK):
            lines, newline, rest = (rest + block).rpartition(b"\n")
            if newline:
                yield lines + newline
    if rest:
        yield rest + b"\n"


def _malformed(path: Path, block: bytes, lines: int, columns: int) -> FacetoryError:
    row = re.compile(rb"\d{1,%d}( \d{1,%d}){%d}" % (MAX_DIGITS, MAX_DIGITS, columns - 1))
    number, line = next(
        (number, line) for number, line in enumerate(block.split(b"\n")) if not row.fullmatch(line)
    )
    shown = line[:SHOWN].decode("ascii", "backslashreplace")
    return _error(path, lines + number + 1, f"{shown!r} is not {columns} integers with a space between them")


def _faces(path: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Each face's file, template and medium."""
    row = re.compile(rf"(?!\.\.? )([^\s/\\]+) (\d{{1,{MAX_DIGITS}}}) (\d{{1,{MAX_DIGITS}}})", re.ASCII)
    found = []
    for number, line in enumerate(_lines(path), start=1):
        if (match := row.fullmatch(line)) is None:
            raise _error(path, number, f"{line[:SHOWN]!r} is not a file's name, its template and its medium")
        found.append(match.groups())
    names, template, media = zip(*found, strict=True)
    return list(names), np.array(template, dtype=np.int32), np.array(media, dtype=np.int32)


def _points(path: Path, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Each face's five points and score."""
    lines = _lines(path)
    if len(lines) != len(names):
        raise FacetoryError(
            f"{path}: {len(lines)} lines, {FACES} has {len(names)}. Restore both from your copy of IJB-C."
        )
    values = np.empty((len(names), 11), dtype=np.float32)
    for number, (name, line) in enumerate(zip(names, lines, strict=True), start=1):
        own, *fields = line.split(" ")
        if own != name or len(fields) != 11:
            raise _error(path, number, f"{line[:SHOWN]!r} is not {name} with ten coordinates and a score")
        try:
            values[number - 1] = fields
        except ValueError:
            raise _error(path, number, "a coordinate or the score is no number") from None
    points, score = values[:, :10].reshape(-1, 5, 2), values[:, 10]
    _check(path, np.isfinite(values).all(axis=1), "a coordinate or the score is not finite")
    _check(path, (points != points[:, :1]).any(axis=(1, 2)), "the five points coincide")
    _check(path, (score >= 0) & (score <= 1), "the detector's score is outside 0 … 1")
    return points, score


def _lines(path: Path) -> list[str]:
    text = _present(path).read_text(encoding="ascii", errors="backslashreplace")
    if not text:
        raise FacetoryError(f"{path}: the file is empty. Restore it from your copy of IJB-C.")
    return text.removesuffix("\n").split("\n")


def _present(path: Path) -> Path:
    if not path.is_file():
        raise FacetoryError(f"{path}: the file is missing. Restore it from your copy of IJB-C.")
    return path


def _check(path: Path, good: Any, problem: str) -> None:
    if not good.all():
        raise _error(path, int(np.argmin(good)) + 1, problem)


def _error(path: Path, line: int, problem: str) -> FacetoryError:
    return FacetoryError(f"{path} line {line}: {problem}. Restore the file from your copy of IJB-C.")
