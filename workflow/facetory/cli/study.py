"""The whole study at a glance: what a config asks for, what can run, and whether what was made is intact."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from facetory.adaptdiff.registry import study as adaptdiff_study
from facetory.affectdiff.registry import study as affectdiff_study
from facetory.data import catalogue
from facetory.diffusion import catalogue as weights
from facetory.emodc.registry import study as emodc_study
from facetory.pipeline.config import DatasetSpec, Settings, load_settings
from facetory.pipeline.files import FacetoryError, read_json, sha256_of
from facetory.pipeline.registry import Study
from facetory.pipeline.spec import BackboneSpec
from facetory.smc.registry import study as smc_study


@dataclass
class WholeStudy(Study):
    """Runs, evaluations and plans of every paper at one scale, with the datasets and backbones they use."""

    datasets: dict[str, DatasetSpec] = field(default_factory=dict)
    backbones: dict[str, BackboneSpec] = field(default_factory=dict)


def load_study(config: dict[str, Any] | Path) -> WholeStudy:
    """Expand every paper at the scale that ``config`` (config.yaml, or its content) names."""
    settings = load_settings(config)
    root = settings.config.data_root

    @cache
    def placed(dataset: str) -> str | None:
        return catalogue.missing(dataset, root, settings.config.datasets)

    @cache
    def backbone_missing(name: str) -> str | None:
        return weights.missing(name, root)

    whole = WholeStudy(settings)
    for study in (emodc_study, smc_study, affectdiff_study, adaptdiff_study):
        whole.add(study(settings, placed, backbone_missing))
    names = dict.fromkeys([*settings.scale.slots.values(), *settings.config.slots.values()])
    whole.datasets = {
        name: _dataset_spec(name, settings) for name in [*names, *settings.scale.datasets, "anny_pretrain"]
    }
    whole.backbones = weights.backbones()
    return whole


def _dataset_spec(name: str, settings: Settings) -> DatasetSpec:
    own = settings.config.datasets.get(name)
    sizes = settings.scale.datasets.get(name, {})
    if own:
        return DatasetSpec(name=name, sizes=sizes, path=str(own.path), labels=own.labels)
    return DatasetSpec(name=name, sizes=sizes)


def status(
    config: Annotated[Path, typer.Option(help="The configuration to explain.")] = Path("config.yaml"),
) -> None:
    """Say what a configuration asks for: slot -> dataset, runs, evaluations, and what cannot run and why."""
    from rich.console import Console
    from rich.table import Table

    study = load_study(config)
    console = Console()
    slots = Table(title=f"Scale {study.settings.name}: {study.settings.scale.title}")
    for heading in ("slot", "dataset", "stand-in", "can run"):
        slots.add_column(heading)
    for slot in study.settings.scale.slots:
        dataset = study.settings.dataset_of(slot)
        reason = catalogue.missing(dataset, study.settings.config.data_root, study.settings.config.datasets)
        slots.add_row(slot, dataset, "yes" if study.settings.is_stand_in(slot) else "no", reason or "yes")
    console.print(slots)
    console.print(
        f"{len(study.runs) + len(study.classifiers) + len(study.diffusions) + len(study.recognizers)} runs, "
        f"{len(study.evaluations) + len(study.classifications) + len(study.scores)} evaluations, "
        f"{len(study.edits)} edits, "
        f"{len(study.plans)} targets."
    )
    for reason in dict.fromkeys(study.missing.values()):
        console.print(f"Not run: {reason}", markup=False)


def verify(
    root: Annotated[Path, typer.Argument(help="A results folder, e.g. results/demo.")],
) -> None:
    """Check every file that a manifest names against its recorded hash."""
    if not root.is_dir():
        raise FacetoryError(f"{root}: no such folder. Name a scale's results, e.g. results/demo.")
    broken, checked = [], 0
    for path in sorted(root.rglob("manifest.json")):
        for name, expected in (read_json(path).get("outputs") or {}).items():
            file = path.parent / name
            checked += 1
            if not file.is_file() or sha256_of(file) != expected:
                broken.append(f"{file}: {'missing' if not file.is_file() else 'differs from its manifest'}")
    if broken:
        raise FacetoryError(
            "\n".join([*broken, "Delete the folders named above and run their targets again."])
        )
    typer.echo(f"{checked} files match their manifests.")
