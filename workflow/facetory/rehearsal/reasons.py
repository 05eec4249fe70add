"""Why something does not run in a rehearsal: patterns of names and plain words, from not_rehearsed.yaml."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from facetory.pipeline.config import load_yaml
from facetory.pipeline.suggest import validated

FILE = Path(__file__).with_name("not_rehearsed.yaml")


class Reasons(BaseModel):
    """The file's sections, each from pattern to reason; of several patterns that fit, the first one counts.

    ``functions`` name a module, or ``module:function``; a module's reason is that of its functions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: dict[str, str] = {}
    targets: dict[str, str] = {}
    loaders: dict[str, str] = {}
    formats: dict[str, str] = {}
    functions: dict[str, str] = {}

    def of(self, section: str, name: str) -> str | None:
        """The reason of a name of a section, or None."""
        patterns: dict[str, str] = getattr(self, section)
        return next((why for pattern, why in patterns.items() if _fits(name, pattern)), None)

    def stale(self, section: str, names: Iterable[str]) -> list[str]:
        """The patterns of a section that fit none of the names that there are."""
        known = list(names)
        patterns: dict[str, str] = getattr(self, section)
        return [pattern for pattern in patterns if not any(_fits(name, pattern) for name in known)]


@cache
def reasons(path: Path = FILE) -> Reasons:
    """The reasons of a file; an unknown section is a `FacetoryError` with its nearest neighbour."""
    return validated(Reasons, load_yaml(path), path.name)


def _fits(name: str, pattern: str) -> bool:
    whole = name if ":" in pattern else name.partition(":")[0]
    return fnmatchcase(whole, pattern)
