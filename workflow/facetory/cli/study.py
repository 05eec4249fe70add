"""The whole study at a glance: what a config asks for, and what can run."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from facetory.adaptdiff.registry import study as adaptdiff_study
from facetory.affectdiff.registry import study as affectdiff_study
from facetory.data import catalogue
from facetory.diffusion import catalogue as weights
from facetory.emodc.registry import study as emodc_study
from facetory.pipeline.config import DatasetSpec, Settings, load_settings
from facetory.pipeline.registry import Study
from facetory.pipeline.spec import BackboneSpec
from facetory.smc.registry import study as smc_study


@dataclass
class WholeStudy(Study):
    """Runs, evaluations and plans of every paper at one scale, with the datasets and backbones they use."""

    datasets: dict[str, DatasetSpec] = field(default_factory=dict)
    backbones: dict[str, BackboneSpec] = field(default_factory=dict)


def load_study(config: dict[str, Any] | Path, ideal: bool = False) -> WholeStudy:
    """Expand every paper at the scale that ``config`` (config.yaml, or its content) names.

    ``ideal`` expands all that the scale asks for, whatever is missing here.
    """
    settings = load_settings(config).model_copy(update={"ideal": ideal})
    root = settings.config.data_root

    @cache
    def placed(dataset: str) -> str | None:
        return None if ideal else catalogue.missing(dataset, root, settings.config.datasets)

    @cache
    def backbone_missing(name: str) -> str | None:
        return None if ideal else weights.missing(name, root)

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
