"""The index: one row an image, the form in which every dataset enters the street.

``index.csv`` has the columns sample_id, split, label, person, image and, for renders, caption; ``ledger.csv``
beside it lists what was left out or is odd, with the reason; ``manifest.json`` says where it came from.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from facetory.pipeline.files import FacetoryError, write_text

SPLITS = ("train", "validation", "test")
COLUMNS = ("sample_id", "split", "label", "person", "image")
SAMPLE_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")


class Sample(NamedTuple):
    """One row of an index; ``person`` is '' when unknown, ``image`` is relative to the index or absolute."""

    sample_id: str
    split: str
    label: str
    person: str
    image: str
    caption: str = ""


class Odd(NamedTuple):
    """One row of a ledger: line of the source's label file ('' if none), file, what is odd, what was done."""

    row: int | str
    file: str
    problem: str
    action: str


def write_index(
    folder: Path | str, samples: Sequence[Sample], classes: Sequence[str], ledger: Iterable[Odd] = ()
) -> None:
    """Check the samples and write ``index.csv`` and ``ledger.csv`` into a folder, each atomically."""
    folder = Path(folder)
    check(samples, classes, str(folder / "index.csv"))
    captions = any(sample.caption for sample in samples)
    columns = (*COLUMNS, "caption") if captions else COLUMNS
    write_csv(folder / "ledger.csv", Odd._fields, ledger)
    write_csv(folder / "index.csv", columns, (sample[: len(columns)] for sample in samples))


def read_index(path: Path | str, classes: Sequence[str] | None = None) -> list[Sample]:
    """The samples of an ``index.csv``, checked; images are not opened.

    With ``classes``, every label must be one of them (and empty when there are none).  An error names the
    file and the row.
    """
    path = Path(path)
    samples = [
        Sample(
            row["sample_id"], row["split"], row["label"], row["person"], row["image"], row.get("caption", "")
        )
        for _, row in read_csv(path, COLUMNS)
    ]
    check(samples, classes, str(path))
    return samples


def image_path(index: Path | str, sample: Sample) -> Path:
    """Where a sample's image lies: ``image`` taken from the index's folder, unless it is absolute."""
    return Path(index).parent / sample.image


def check(samples: Sequence[Sample], classes: Sequence[str] | None, where: str) -> None:
    """Raise a `FacetoryError` that names the first row (the header is row 1) that breaks the contract."""
    if not samples:
        raise FacetoryError(f"{where}: the index has no samples. Index the dataset again.")
    seen: dict[str, int] = {}
    for row, sample in enumerate(samples, start=2):
        problem = _problem(sample, classes)
        if sample.sample_id in seen:
            problem = f"sample_id {sample.sample_id!r} stands in row {seen[sample.sample_id]} too"
        if problem:
            raise FacetoryError(f"{where} row {row}: {problem}. Index the dataset again, or mend that row.")
        seen[sample.sample_id] = row


def _problem(sample: Sample, classes: Sequence[str] | None) -> str | None:
    if not SAMPLE_ID.fullmatch(sample.sample_id):
        return f"sample_id {sample.sample_id!r} may hold only letters, digits, '_', '-' and inner '.'"
    if sample.split not in SPLITS:
        return f"split {sample.split!r} is none of {', '.join(SPLITS)}"
    if classes is not None and sample.label not in (classes or ("",)):
        return f"label {sample.label!r} is none of {', '.join(classes) or '(no label)'}"
    if not sample.image:
        return "the image is not named"
    return None


def counts(samples: Iterable[Sample], classes: Sequence[str]) -> dict[str, dict[str, int]]:
    """Number of samples by split and class, zeros included; splits without samples are left out."""
    tally = Counter((sample.split, sample.label) for sample in samples)
    present = {split for split, _ in tally}
    return {split: {label: tally[split, label] for label in classes} for split in SPLITS if split in present}


def write_csv(path: Path | str, columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write rows under a header atomically, UTF-8, comma separated."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def read_csv(path: Path | str, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with their line numbers; a missing column or cell is an error that names it."""
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.DictReader(handle, strict=True)
            missing = [c for c in columns if c not in (reader.fieldnames or ())]
            if missing:
                raise FacetoryError(
                    f"{path}: the header {', '.join(reader.fieldnames or ())} lacks {', '.join(missing)}. "
                    "Restore the file, or make it again."
                )
            for row in reader:
                if None in row or None in row.values():
                    raise FacetoryError(
                        f"{path} line {reader.line_num}: it has more or fewer cells than the header. "
                        "Mend the line, or restore the file."
                    )
                yield reader.line_num, row
    except FileNotFoundError as error:
        raise FacetoryError(f"{path}: the file is missing. Run the target that makes it.") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise FacetoryError(
            f"{path}: not a readable CSV file ({error}). Restore it, or make it again."
        ) from error
