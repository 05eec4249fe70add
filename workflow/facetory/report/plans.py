"""What every cell of a study asks for, beside its results: read without the datasets and the grids."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

from facetory.pipeline.files import FacetoryError, read_json, write_json
from facetory.pipeline.registry import Plan
from facetory.pipeline.suggest import validated

NAME = "plans.json"


class PlansFile(BaseModel):
    """plans.json: the content of config.yaml, and the plans by the name of their table or figure."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: dict[str, Any]
    plans: dict[str, Plan]

    @field_validator("plans", mode="before")
    @classmethod
    def _by_name(cls, listed: Any) -> Any:
        if not isinstance(listed, list):
            return listed
        named = (isinstance(plan, dict) and plan.get("name") for plan in listed)
        return {str(name): plan for name, plan in zip(named, listed, strict=True)}

    @field_validator("plans")
    @classmethod
    def _are_names(cls, plans: dict[str, Plan]) -> dict[str, Plan]:
        if wrong := [name for name in plans if not re.fullmatch(r"\w+", name)]:
            raise ValueError(f"{wrong[0]!r} is no name of a table or figure")
        return plans


def write_plans(path: Path | str, config: dict[str, Any], plans: Mapping[str, Plan]) -> None:
    """Write plans.json atomically; equal studies give equal bytes.

    Defaults are left out.  What cells had keeps its order, in which their tables tell it.
    """
    listed = [plan.model_dump(mode="json", exclude_defaults=True) for plan in plans.values()]
    write_json(path, {"config": dict(sorted(config.items())), "plans": listed})


def read_plans(path: Path | str) -> PlansFile:
    """Read plans.json; a missing or foreign file is a `FacetoryError` that says how to make it."""
    if not Path(path).is_file():
        raise FacetoryError(
            f"{path}: the file is missing, and with it what each cell asks for. Make it with "
            "`snakemake plans` (with the --config of the results), then run this again."
        )
    return validated(PlansFile, read_json(path), str(path))
