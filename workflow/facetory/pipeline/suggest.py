"""Error messages that name the nearest known word."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from facetory.pipeline.files import FacetoryError

Model = TypeVar("Model", bound=BaseModel)


def unknown(kind: str, name: str, known: Iterable[str], where: str) -> FacetoryError:
    """An error for a name that is not among the known ones, with its nearest neighbour."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"Did you mean '{near[0]}'?" if near else "Use one of those."
    return FacetoryError(f"{where}: unknown {kind} '{name}'. Known: {', '.join(names)}. {hint}")


def validated(model: type[Model], content: object, where: str) -> Model:
    """Validate ``content`` against a pydantic model; the first problem becomes a readable error."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = error.errors()
        problem = next((item for item in problems if item["type"] == "extra_forbidden"), problems[0])
        path = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            fields = _fields_at(model, problem["loc"][:-1])
            raise unknown("key", str(problem["loc"][-1]), fields, f"{where}: {path}") from None
        shown = repr(problem.get("input"))[:80]
        raise FacetoryError(f"{where}: {path or 'the file'}: {problem['msg']} (found {shown}).") from None


def _fields_at(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """Field names of the model that a path of keys leads to; a dictionary's own keys are stepped over."""
    current: type[BaseModel] | None = model
    for part in path:
        if current and (field := current.model_fields.get(str(part))):
            current = _model_in(field.annotation)
    return list(current.model_fields) if current else []


def _model_in(annotation: object) -> type[BaseModel] | None:
    candidates = [annotation, *getattr(annotation, "__args__", ())]
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
