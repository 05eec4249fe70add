"""How large a study's data are, as known before they are read: from results, catalogue and scale."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from facetory.cli.study import WholeStudy
from facetory.data import orl
from facetory.data.anny import dataset as anny
from facetory.data.catalogue import entry, source_of
from facetory.data.images import IMAGE_SUFFIXES
from facetory.data.mosei.spec import AlignmentSpec
from facetory.pipeline.files import read_json
from facetory.pipeline.registry import paper_file
from facetory.pipeline.work import SizeUnknown

SPLIT = {"train": 0.70, "validation": 0.15, "test": 0.15}
"""Affect-Diff's random split (Section II-C), for corpora whose segments are counted as a whole."""


class KnownSizes:
    """The sizes of a study's data: what ``root`` holds already, else the published or the scale's own."""

    def __init__(self, study: WholeStudy, root: Path) -> None:
        self.study, self.root = study, root
        self.config, self.scale = study.settings.config, study.settings.scale

    def samples(self, dataset: str, split: str) -> int:
        """Images of a split of a dataset, or pairs of a verification set."""
        counts = self._counts(dataset)
        if split == "all":
            return sum(counts.values())
        return counts.get(split, 0)

    def _counts(self, dataset: str) -> Mapping[str, int]:
        made = self.root / "datasets" / dataset / "manifest.json"
        found = read_json(made).get("counts", {}) if made.is_file() else {}
        if any(found.values()):  # sets without labels are not counted there
            return {split: sum(by_class.values()) for split, by_class in found.items()}
        if dataset in self.scale.fabricated:
            return self.scale.fabricated[dataset]
        sizes = self.scale.datasets.get(dataset, {})
        if dataset in anny.CLASSES or dataset == "orl":
            planned = orl.plan(sizes) if dataset == "orl" else anny.plan(dataset, sizes, 0)
            return _tally(sample.split for sample in planned)
        about = entry(dataset, self.config.datasets)
        if about.access == "own":
            return self._own(source_of(about, self.config.data_root))
        limits = {split: n * len(about.class_names) for split, n in sizes.get("per_class", {}).items()}
        if not about.counts:
            raise SizeUnknown(dataset)
        return {split: min(count, limits.get(split, count)) for split, count in about.counts.items()}

    def _own(self, folder: Path) -> Mapping[str, int]:
        """Images below each folder that is named as a split; without such, as of the training split all."""
        images = [
            path.relative_to(folder) for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES
        ]
        return _tally(path.parts[0] if path.parts[0] in SPLIT else "train" for path in images)

    def classes(self, dataset: str) -> int:
        """Expression classes of a dataset."""
        return len(entry(dataset, self.config.datasets).class_names)

    def faces(self, folder: str) -> int:
        """Faces of a face set, synthetic or authentic."""
        kind, _, name = folder.partition("/")
        spec: Any = getattr(self.study, kind)[name]
        if kind == "syntheses":
            return int(spec.identities * spec.images)
        return self.samples(spec.dataset, spec.split)

    def segments(self, alignment: str) -> Mapping[str, int]:
        """Segments by split: kept ones; else published ones; of other policies all that are annotated."""
        made = self.root / "alignments" / alignment / "manifest.json"
        spec: Any = self.study.alignments[alignment]
        if made.is_file():
            return _shares(read_json(made)["counts"]["kept"])
        if spec.corpus.videos:
            return _shares(spec.corpus.videos * spec.corpus.segments)
        if spec.corpus.dataset in self.scale.fabricated:
            return _shares(sum(self.scale.fabricated[spec.corpus.dataset].values()))
        return self._published(spec)

    def _published(self, spec: AlignmentSpec) -> Mapping[str, int]:
        if spec.policy == "strict":
            return {split: self._table1[f"{kind}, {shown}"] for split, kind, shown in _ROWS}
        return _shares(self._table1["Raw annotated segments"])

    @cached_property
    def _table1(self) -> dict[str, int]:
        """Affect-Diff's Table I: the corpus in numbers."""
        rows = paper_file("affectdiff")["tables"]["table1"]["rows"]
        return {row: own["published"][0] for row, own in rows.items()}


_ROWS = [
    ("train", "Samples", "training"),
    ("validation", "Samples", "validation"),
    ("test", "Samples", "test"),
]


def _shares(segments: float) -> dict[str, int]:
    return {split: round(share * segments) for split, share in SPLIT.items()}


def _tally(splits: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for split in splits:
        found[split] = found.get(split, 0) + 1
    return found
