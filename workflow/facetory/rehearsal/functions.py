"""The functions of the package with the lines that belong to each: judged by their bodies, not by their defs.

A definition runs when its module is imported, so it says nothing of whether the function was ever called.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from facetory.pipeline.provenance import PACKAGE
from facetory.rehearsal.traces import Lines, span

Definition = ast.FunctionDef | ast.AsyncFunctionDef
NO_CODE = (ast.Global, ast.Nonlocal)


class Function(NamedTuple):
    """A function: ``data.rafdb``, ``read`` (or ``Class.method``, ``outer.inner``), and its statements.

    A statement is the bit mask of its lines; of one with a block, of its head alone.  ``builds_error`` says
    that it returns a `FacetoryError`, so that nothing but a mistake of the user's calls it.
    """

    module: str
    name: str
    file: str
    statements: tuple[int, ...]
    builds_error: bool

    @property
    def full_name(self) -> str:
        """``module:name``, as not_rehearsed.yaml and the tables of readers have it."""
        return f"{self.module}:{self.name}"

    def ran(self, lines: Lines) -> int:
        """How many of its statements are among the executed lines."""
        executed = lines.get(self.file, 0)
        return sum(bool(statement & executed) for statement in self.statements)


@cache
def functions(package: Path = PACKAGE) -> tuple[Function, ...]:
    """Every function of a package that has a statement to execute, file by file."""
    found: list[Function] = []
    for path in sorted(package.rglob("*.py")):
        file = path.relative_to(package)
        module = ".".join(part for part in file.with_suffix("").parts if part != "__init__") or "facetory"
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += (
            Function(module, name, file.as_posix(), statements, _builds_error(node))
            for name, node in _definitions(tree, "")
            if (statements := tuple(_statements(node.body)))
        )
    return tuple(found)


@cache
def lines_with(file: str, text: str, package: Path = PACKAGE) -> int:
    """The mask of a module's lines that hold a text."""
    source = (package / file).read_text(encoding="utf-8").splitlines()
    return sum(1 << number for number, line in enumerate(source, start=1) if text in line)


def _definitions(scope: ast.AST, prefix: str) -> Iterator[tuple[str, Definition]]:
    for node in ast.iter_child_nodes(scope):
        if isinstance(node, Definition):
            yield prefix + node.name, node
        inner = f"{prefix}{node.name}." if isinstance(node, Definition | ast.ClassDef) else prefix
        yield from _definitions(node, inner)


def _statements(block: list[ast.stmt]) -> Iterator[int]:
    for node in block:
        if isinstance(node, NO_CODE) or _is_constant(node) or _is_declaration(node):
            continue
        blocks = list(_blocks(node))
        last = node.end_lineno or node.lineno
        if isinstance(node, Definition | ast.ClassDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            yield span(first, max(node.lineno, node.body[0].lineno - 1))
            continue
        if blocks:
            last = max(node.lineno, blocks[0][0].lineno - 1)
        yield span(node.lineno, last)
        for inner in blocks:
            yield from _statements(inner)


def _blocks(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    """The blocks below a statement, in order: bodies, handlers, cases, else and finally."""
    for field in ("body", "handlers", "cases", "orelse", "finalbody"):
        below = getattr(node, field, None) or []
        if field in ("handlers", "cases"):
            yield from (each.body for each in below)
        elif below:
            yield below


def _is_constant(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_declaration(node: ast.stmt) -> bool:
    return isinstance(node, ast.AnnAssign) and node.value is None


def _builds_error(node: Definition) -> bool:
    return node.returns is not None and ast.unparse(node.returns) == "FacetoryError"
