"""Arithmetic and comparisons written as text, evaluated without running any code: ``a[1, "x"] - 2 < 3``.

Known are numbers, strings, lists, ``+ - * / **``, comparisons, ``and``, ``or``, ``not``, the functions of
`FUNCTIONS` and the names that the caller gives, each called with what stands in its brackets; a bare ``:``
there is `EVERY`.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from facetory.pipeline.files import FacetoryError

Lookup = Callable[..., Any]
EVERY = None
OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
SIGNS = {ast.Eq: "=", ast.NotEq: "≠", ast.Lt: "<", ast.LtE: "≤", ast.Gt: ">", ast.GtE: "≥"}


def _of(reduce: Callable[..., Any]) -> Callable[..., Any]:
    """A reduction of one array, or of several numbers."""
    return lambda *values: reduce(np.ma.asarray(values[0] if len(values) == 1 else values))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": np.ma.abs,
    "max": _of(np.ma.max),
    "mean": _of(np.ma.mean),
    "min": _of(np.ma.min),
    "sum": _of(np.ma.sum),
    "all": lambda *values: all(np.ma.all(value) for value in values),
    "any": lambda *values: any(np.ma.any(value) for value in values),
    "near": lambda value, target, within: np.ma.abs(np.ma.subtract(value, target)) <= within * (1 + 1e-9),
    "share_of": lambda percent, n, decimals: fits(percent, n, decimals, 100),
}


def fits(value: float, n: int, decimals: int, scale: float = 1) -> bool:
    """Whether some count k of ``n`` makes ``scale`` · k / n round to ``value``, a half either way."""
    half = 0.5 * 10.0**-decimals * (1 + 1e-9)
    nearest = round(value * n / scale)
    return 0 <= nearest <= n and abs(scale * nearest / n - value) <= half


def parsed(text: str) -> ast.expr:
    """The expression as a tree; what is no expression is a `FacetoryError`."""
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise FacetoryError(f"'{text}': not an expression ({error.msg}).") from error


def evaluate(text: str, names: Mapping[str, Lookup]) -> Any:
    """The value of an expression; what is unknown or undefined in it is a `FacetoryError` that quotes it."""
    try:
        return value_of(parsed(text), names)
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise FacetoryError(f"'{text}': cannot be computed ({error}).") from error


def value_of(node: ast.expr, names: Mapping[str, Lookup]) -> Any:
    """The value of a tree."""
    match node:
        case ast.Constant(int() | float() | str() as value):
            return value
        case ast.List(elements) | ast.Tuple(elements):
            return [value_of(element, names) for element in elements]
        case ast.Slice(None, None, None):
            return EVERY
        case ast.Subscript(ast.Name(name), place) if name in names:
            found = value_of(place, names)
            return names[name](*(found if isinstance(place, ast.Tuple) else [found]))
        case ast.Call(ast.Name(name), arguments, []) if name in FUNCTIONS:
            return FUNCTIONS[name](*(value_of(argument, names) for argument in arguments))
        case ast.UnaryOp(sign, operand) if type(sign) in OPERATORS:
            return OPERATORS[type(sign)](value_of(operand, names))
        case ast.BinOp(left, sign, right) if type(sign) in OPERATORS:
            return OPERATORS[type(sign)](value_of(left, names), value_of(right, names))
        case ast.Compare(left, [sign], [right]) if type(sign) in OPERATORS:
            return OPERATORS[type(sign)](value_of(left, names), value_of(right, names))
        case ast.BoolOp(ast.And(), parts):
            return all(np.ma.all(value_of(part, names)) for part in parts)
        case ast.BoolOp(ast.Or(), parts):
            return any(np.ma.all(value_of(part, names)) for part in parts)
    known = ", ".join(sorted([*names, *FUNCTIONS]))
    raise FacetoryError(f"'{ast.unparse(node)}': nothing of the kind is known here. Known names: {known}.")


def failures(text: str, names: Mapping[str, Lookup]) -> list[str]:
    """The comparisons in an expression that do not hold, in numbers: ``28.14 < 27``, each element alone."""
    found: list[str] = []
    for node in ast.walk(parsed(text)):
        match node:
            case ast.Compare(left, [sign], [right]) if type(sign) in SIGNS:
                told = SIGNS[type(sign)]
            case ast.Call(ast.Name("near"), [left, right, _]):
                told = "near"
            case _:
                continue
        held = np.ma.filled(np.ma.asarray(value_of(node, names)), fill_value=True)
        sides = (np.broadcast_to(np.ma.getdata(value_of(side, names)), held.shape) for side in (left, right))
        found += [f"{a:.6g} {told} {b:.6g}" for a, b in zip(*(side[~held] for side in sides), strict=True)]
    return list(dict.fromkeys(found))
