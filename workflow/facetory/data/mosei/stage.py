"""Stages of the multimodal corpus: its files found, checked and hashed; its segments aligned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console

from facetory.data.catalogue import Entry, entry, placed, source_of
from facetory.data.mosei.csd import open_csd
from facetory.data.mosei.ledger import Odd, dropped, prefixes, write_ledger
from facetory.data.mosei.parts import Files, parts
from facetory.data.mosei.segments import write_segments
from facetory.data.mosei.spec import MODALITIES, AlignmentSpec, CorpusSpec, Modality
from facetory.pipeline.files import FacetoryError, read_json, sha256_of
from facetory.pipeline.provenance import manifest

WIDTHS = {"text": 300, "audio": 74, "video": 35, "labels": 7}
"""Columns of GloVe, COVAREP, FACET 4.2 and the labels."""
WORDS = "CMU_MOSEI_TimestampedWords.csd"


def read(dataset: object, *_: object) -> NoReturn:
    """A corpus has no images to index: a `FacetoryError` says so."""
    name = getattr(dataset, "name", dataset)
    raise FacetoryError(f"{name} holds sequences, not images. Use it for Affect-Diff.")


render = read


def index_corpus(spec: CorpusSpec, folder: Path | str, data_root: Path | str) -> None:
    """Find or write a corpus's `.csd` files, check their layout, and record their hashes in manifest.json.

    A placed corpus lies below the data root as catalogue.yaml says; a synthetic one is written into
    ``folder``.  Raises `FacetoryError` for a file that is missing or is not what its name says.
    """
    folder, dataset = Path(folder), entry(spec.dataset)
    reason = placed(dataset, data_root)
    if reason:
        raise FacetoryError(reason)
    terms = f"{dataset.name}: {dataset.title}; licence: {dataset.licence}"
    Console(stderr=True).print(terms, markup=False, highlight=False, soft_wrap=True)
    synthetic = dataset.access == "embedded"
    with manifest(folder / "manifest.json", "corpus", spec.canonical(), ["data.mosei.stage"]) as record:
        if synthetic:
            from facetory.data.mosei.synthetic import planted, write_corpus

            files = write_corpus(spec, folder)
        else:
            files = _placed_files(dataset, data_root)
        videos = {}
        for name, width in WIDTHS.items():
            with open_csd(files[name], width) as csd:
                csd.check()
                videos[name] = len(csd.videos)
        record |= {
            "status": "indexed",
            "title": dataset.title,
            "licence": dataset.licence,
            "synthetic": synthetic,
            "planted": planted() if synthetic else None,
            "videos": videos,
            "files": {name: _about(path, folder) for name, path in files.items()},
        }


def align_corpus(
    spec: AlignmentSpec,
    corpus_manifest: Path | str,
    extractions: Mapping[str, Path],
    folder: Path | str,
    processes: int = 1,
) -> None:
    """Align a corpus's segments and write segments.safetensors, ledger.csv and manifest.json.

    ``extractions`` are `.csd` files by modality that replace the corpus's own features.  Videos are read one
    at a time, and their segments written before the next; the number of processes changes no byte.  Raises
    `FacetoryError` for a corpus that has changed since it was indexed, and when no segment is left.
    """
    folder, corpus_manifest = Path(folder), Path(corpus_manifest)
    corpus = read_json(corpus_manifest)
    files = _files(corpus, corpus_manifest, extractions)
    inputs = [corpus_manifest, *extractions.values()]
    with manifest(
        folder / "manifest.json", "alignment", spec.canonical(), ["data.mosei.stage"], inputs
    ) as record:
        about = {key: corpus[key] for key in ("title", "synthetic", "planted")}
        ledger, counts, dims = _around(files)
        segments = parts(spec, files, ledger, counts, processes)
        meta = {"corpus": about, "policy": spec.policy, "length": spec.length}
        write_segments(folder / "segments.safetensors", segments, meta)
        write_ledger(folder / "ledger.csv", ledger)
        record |= {
            "status": "aligned",
            "corpus": about,
            "dims": dims,
            "counts": {**counts, "dropped": dropped(ledger)},
            "ledger": dict(Counter(row.problem for row in ledger).most_common()),
            "outputs": {name: sha256_of(folder / name) for name in ("segments.safetensors", "ledger.csv")},
        }


def _placed_files(dataset: Entry, data_root: Path | str) -> dict[str, Path]:
    """The files of the catalogue's layout, and the words where they lie beside their vectors."""
    source = source_of(dataset, data_root).absolute()
    files = {}
    for name, item in zip(WIDTHS, dataset.layout, strict=True):
        choices = (source / choice.strip() for choice in item.split("|"))
        files[name] = next(path for path in choices if path.exists())
    words = files["text"].with_name(WORDS)
    return {**files, "words": words} if words.exists() else files


def _about(path: Path, folder: Path) -> dict[str, Any]:
    """Path (relative to the manifest's folder where it lies in it), size and hash of a file."""
    place = path.relative_to(folder) if path.is_relative_to(folder) else path
    return {"path": str(place), "bytes": path.stat().st_size, "sha256": sha256_of(path)}


def _files(corpus: dict[str, Any], place: Path, extractions: Mapping[str, Path]) -> Files:
    """Path and width of each file; those of a corpus must have the size that its manifest says."""
    files: dict[str, tuple[Path, int | None]] = {}
    for name, width in WIDTHS.items():
        if name in extractions:
            files[name] = (Path(extractions[name]), None)
            continue
        known = corpus["files"][name]
        path = place.parent / known["path"]
        if not path.is_file() or path.stat().st_size != known["bytes"]:
            raise FacetoryError(
                f"{path}: missing or changed since the corpus was indexed. Delete {place} and index it again."
            )
        files[name] = (path, width)
    return files


def _around(files: Files) -> tuple[list[Odd], dict[str, Any], dict[Modality, int]]:
    """What the ids alone tell: ledger rows, and the first of the counts; and the features' widths."""
    with ExitStack() as stack:
        opened = {name: stack.enter_context(open_csd(*file)) for name, file in files.items()}
        videos = {name: csd.videos for name, csd in opened.items()}
        dims = {m: opened[m].width for m in MODALITIES}
    labelled = frozenset(videos["labels"])
    unlabelled = sorted(set().union(*(videos[m] for m in MODALITIES)) - labelled)
    rows = [
        *prefixes(videos["labels"]),
        *(Odd(v, "", "video without labels", "left out") for v in unlabelled),
    ]
    return rows, {"videos": len(labelled), "unlabelled_videos": len(unlabelled)}, dims
