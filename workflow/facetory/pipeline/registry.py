"""From a paper's YAML to plans: which cell needs which evaluation of which run, and what cannot run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from facetory.pipeline.config import WORKFLOW, Settings, load_yaml
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.spec import Spec, TrainSpec
from facetory.pipeline.suggest import unknown

PAPERS = {"emodc": "EmoDC", "smc": "SMC", "affectdiff": "Affect-Diff", "adaptdiff": "AdaptDiff"}
"""The papers and what they are called, in the order in which they are shown."""
Kind = Literal["measured", "quoted", "not_applicable"]
DASH = "–"
LAYOUT = {"title", "source", "columns", "rows", "panels", "published", "scans", "unpublished"}
"""A table's keys that no cell asks for.

``scans`` are cells whose print is doubtful: ``row``, ``column``, what is ``printed`` there and ``why`` it is
doubted or another value is listed.  ``unpublished`` says why cells have no published partner.
"""


class PlannedCell(BaseModel):
    """One cell before it is measured: what it asks for, and the reason when it cannot be had.

    ``steps`` is the paper's number of timesteps and ``grid`` the number this scale runs; ``timestep`` is the
    paper's 1-based single timestep.  ``published`` is in ``unit``; what is ``ours`` is not in the
    paper.  ``trained_slot`` and
    ``trained_on`` are the slot and dataset of training, ``inputs`` more files below the results folder.
    ``images_per_class`` bounds the samples that are counted (None: all).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    row: str
    column: str
    kind: Kind = "measured"
    ours: bool = False
    published: float | None = None
    unit: str = "%"
    slot: str | None = None
    slot_title: str | None = None
    dataset: str | None = None
    split: str | None = None
    stand_in: bool = False
    trained_slot: str | None = None
    trained_on: str | None = None
    corruption: str = "clean"
    images_per_class: int | None = None
    metric: str = "accuracy"
    steps: int | None = None
    grid: int | None = None
    timestep: int | None = None
    timesteps: tuple[int, ...] = ()
    mean_of: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    evaluations: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    budget: dict[str, Any] = {}
    not_run: str | None = None


class Plan(Spec):
    """A table or figure: its cells in the paper's order."""

    name: str
    paper: str
    title: str
    source: str
    scale: str
    reading: str
    rehearsal: bool = False
    cells: tuple[PlannedCell, ...]

    @property
    def inputs(self) -> list[str]:
        """What its runnable cells read, as paths below the scale's results folder, without repeats."""
        runnable = [cell for cell in self.cells if not cell.not_run]
        manifests = [f"evaluations/{e}/manifest.json" for cell in runnable for e in cell.evaluations]
        return list(dict.fromkeys([*manifests, *(path for cell in runnable for path in cell.inputs)]))


@dataclass
class Study:
    """All that one paper asks for at one scale: specs by id, plans by target name, reasons by cell."""

    settings: Settings
    runs: dict[str, TrainSpec] = field(default_factory=dict)
    classifiers: dict[str, TrainSpec] = field(default_factory=dict)
    evaluations: dict[str, Spec] = field(default_factory=dict)
    classifications: dict[str, Spec] = field(default_factory=dict)
    generations: dict[str, Spec] = field(default_factory=dict)
    timings: dict[str, Spec] = field(default_factory=dict)
    races: dict[str, Spec] = field(default_factory=dict)
    diffusions: dict[str, TrainSpec] = field(default_factory=dict)
    decoders: dict[str, TrainSpec] = field(default_factory=dict)
    samples: dict[str, Spec] = field(default_factory=dict)
    edits: dict[str, Spec] = field(default_factory=dict)
    measures: dict[str, Spec] = field(default_factory=dict)
    reconstructions: dict[str, Spec] = field(default_factory=dict)
    corpora: dict[str, Spec] = field(default_factory=dict)
    extractions: dict[str, Spec] = field(default_factory=dict)
    alignments: dict[str, Spec] = field(default_factory=dict)
    recognizers: dict[str, TrainSpec] = field(default_factory=dict)
    scores: dict[str, Spec] = field(default_factory=dict)
    latencies: dict[str, Spec] = field(default_factory=dict)
    counterfactuals: dict[str, Spec] = field(default_factory=dict)
    face_sets: dict[str, Spec] = field(default_factory=dict)
    contexts: dict[str, Spec] = field(default_factory=dict)
    generators: dict[str, TrainSpec] = field(default_factory=dict)
    pools: dict[str, Spec] = field(default_factory=dict)
    syntheses: dict[str, Spec] = field(default_factory=dict)
    audits: dict[str, Spec] = field(default_factory=dict)
    separations: dict[str, Spec] = field(default_factory=dict)
    face_recognizers: dict[str, TrainSpec] = field(default_factory=dict)
    benchmarks: dict[str, Spec] = field(default_factory=dict)
    verifications: dict[str, Spec] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def add(self, wing: Study) -> None:
        """Take over all that another study asks for."""
        for each in fields(Study):
            if each.name != "settings":
                getattr(self, each.name).update(getattr(wing, each.name))


def is_table(name: str) -> bool:
    """Whether a target is written as a table: all but figures and the trade-off."""
    return not any(part in name for part in ("_fig", "_tradeoff"))


def is_drawn(name: str) -> bool:
    """Whether a target is drawn: what is no table, and every ablation."""
    return not is_table(name) or "_ablation_" in name


SCAN = {"row", "column", "printed", "why"}
Placed = Callable[[str], str | None]


def paper_file(paper: str) -> dict[str, Any]:
    """workflow/papers/<paper>.yaml."""
    return load_yaml(WORKFLOW / "papers" / f"{paper}.yaml")


def check_slots(settings: Settings, slots: Iterable[str], paper: str) -> None:
    """Raise a `FacetoryError` where the scale gives a slot of a paper no dataset."""
    for slot in slots:
        if slot not in settings.scale.slots:
            where = f"{settings.config.scale}.yaml"
            raise FacetoryError(f"{where}: slots: {paper}'s slot '{slot}' has no dataset.")


def plan_of(
    paper: str, name: str, layout: dict[str, Any], settings: Settings, cells: Iterable[PlannedCell]
) -> Plan:
    """The plan of a paper's table or figure, called ``<paper>_<name>``, with its title and source."""
    return Plan(
        name=f"{paper}_{name}",
        paper=paper,
        title=layout["title"],
        source=layout["source"],
        scale=settings.config.scale,
        reading=settings.config.reading,
        rehearsal=settings.rehearsal,
        cells=tuple(cells),
    )


def requests(table: dict[str, Any], where: str) -> Iterator[dict[str, Any]]:
    """The cells of a table as merged requests (table's keys, then the column's, then the row's).

    A published dash is a cell that the paper leaves empty; a `quoted` row is not measured; what has a
    published value is not `ours`.  Raises `FacetoryError` when a row prints another number of values than
    there are columns, or where `scans` marks a cell that the table lacks.
    """
    check_scans(table, where)
    shared = {key: value for key, value in table.items() if key not in LAYOUT}
    for row, row_keys in table["rows"].items():
        published = row_keys.get("published") or [None] * len(table["columns"])
        if len(published) != len(table["columns"]):
            raise FacetoryError(
                f"{where}: row '{row}' has {len(published)} published values, but the table has "
                f"{len(table['columns'])} columns."
            )
        own = {key: value for key, value in row_keys.items() if key not in ("published", "quoted")}
        for (column, column_keys), value in zip(table["columns"].items(), published, strict=True):
            kind = "quoted" if row_keys.get("quoted") else "measured"
            request = {
                **shared,
                **column_keys,
                **own,
                "row": row,
                "column": column,
                "published": None if value == DASH else value,
                "kind": "not_applicable" if value == DASH else kind,
            }
            if request["published"] is not None:
                request.pop("ours", None)
            yield request


def check_scans(table: dict[str, Any], where: str) -> None:
    """Raise a `FacetoryError` where ``scans`` has a mark without its four keys, or of an unknown cell."""
    for mark in table.get("scans", ()):
        if set(mark) != SCAN:
            raise FacetoryError(f"{where}: scans: {mark}: give {', '.join(sorted(SCAN))} and nothing else.")
        for kind in ("row", "column"):
            if mark[kind] not in table[f"{kind}s"]:
                raise unknown(kind, mark[kind], table[f"{kind}s"], f"{where}: scans")


def panel_requests(figure: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The points of a figure with panels: every slot x row x (timestep or number of steps)."""
    shared = {key: value for key, value in figure.items() if key not in LAYOUT}
    panels, published = figure["panels"], figure.get("published", {})
    points = [(f"t={t}", {"timestep": t}) for t in panels.get("timesteps", [])]
    points += [(f"{n}-step", {"steps": n}) for n in panels.get("steps", [])]
    for slot in panels["slots"]:
        for row, row_keys in figure["rows"].items():
            values = published.get(slot, {}).get(row, {})
            for column, keys in points:
                yield {
                    **shared,
                    **row_keys,
                    **keys,
                    "slot": slot,
                    "row": row,
                    "column": column,
                    "published": values.get(column),
                    "kind": "measured",
                }
