"""What a claim says of cells, as data: comparisons of cells, of differences of cells, and of numbers.

An operand is a number, a cell's address, a selection of cells, ``minus: [a, b]`` or ``times: [2, a]``.

``greater: [A, B, C]``     A > B and B > C; with ``by: 5`` each by at least 5
``at_least: [A, B]``       A ≥ B
``equal: [A, B]``          the two differ by no more than ``within``
``all``, ``any``, ``most`` of a list of predicates; most is more than half
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

VERBS = ("greater", "at_least", "equal", "all", "any", "most")


class Strict(BaseModel):
    """A mapping that has no other keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Selection(Strict):
    """Cells of one table: each of the rows with each of the columns."""

    table: str
    rows: tuple[str, ...] = Field(min_length=1)
    columns: tuple[str, ...] = Field(min_length=1)


class Minus(Strict):
    """The difference of two operands that are one cell or number each."""

    minus: tuple[Operand, Operand]


class Times(Strict):
    """An operand that is one cell, or a difference, times a number."""

    times: tuple[float, Operand]


Operand = float | str | Selection | Minus | Times
Chain = Annotated[tuple[Operand, ...], Field(min_length=2)]
Several = Annotated[tuple["Predicate", ...], Field(min_length=1)]


class Predicate(Strict):
    """One comparison, or several joined."""

    greater: Chain | None = None
    at_least: Chain | None = None
    equal: tuple[Operand, Operand] | None = None
    all: Several | None = None
    any: Several | None = None
    most: Several | None = None
    by: float = Field(0.0, ge=0)
    within: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _one_verb(self) -> Predicate:
        said = [verb for verb in VERBS if getattr(self, verb) is not None]
        if len(said) != 1:
            raise ValueError(f"needs exactly one of {', '.join(VERBS)}, and has {', '.join(said) or 'none'}")
        if (self.within is not None) != (said[0] == "equal"):
            raise ValueError("'within' belongs to 'equal', which needs it")
        if self.by and said[0] != "greater":
            raise ValueError("'by' belongs to 'greater'")
        return self


Minus.model_rebuild()
Times.model_rebuild()
Predicate.model_rebuild()
