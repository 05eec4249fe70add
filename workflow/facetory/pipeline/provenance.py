"""Where an artefact came from: code hashes that trigger reruns, and the manifest beside every output."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import json
import platform
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facetory.pipeline.files import sha256_of, write_json

PACKAGE = Path(__file__).resolve().parents[1]
LIBRARIES = ("torch", "diffusers", "transformers", "peft", "accelerate", "numpy", "snakemake")


@functools.cache
def code_of(*modules: str) -> str:
    """A hash of the syntax trees of facetory modules and of every facetory module they import.

    ``code_of("emodc.train")`` changes with a real edit of the code that stage runs; comments, docstrings,
    formatting, mtimes and unrelated files leave it as it is.
    """
    closure: set[Path] = set()
    pending = [_file_of(f"facetory.{module}") for module in modules]
    if None in pending:
        raise ModuleNotFoundError(f"code_of: no module facetory.{modules[pending.index(None)]}")
    while pending:
        path = pending.pop()
        if path is None or path in closure:
            continue
        closure.add(path)
        pending.extend(_imports(path))
    hashes = sorted(f"{path.relative_to(PACKAGE)}:{_tree_hash(path)}" for path in closure)
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()[:16]


def _file_of(module: str) -> Path | None:
    base = PACKAGE.joinpath(*module.split(".")[1:])
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@functools.cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def _imports(path: Path) -> tuple[Path, ...]:
    names: list[str] = []
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    found = (_file_of(name) for name in names if name.split(".")[0] == "facetory")
    return tuple(file for file in found if file)


@functools.cache
def _tree_hash(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                del node.body[0]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def git_commit() -> str | None:
    """The commit the code runs from, with ``+changes`` when the tree differs from it; None outside git."""
    try:
        root = ["git", "-C", str(PACKAGE)]
        commit = subprocess.run([*root, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run(
            [*root, "status", "--porcelain", "--untracked-files=no"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None
    return commit.stdout.strip() + ("+changes" if changed.stdout.strip() else "")


def library_versions() -> dict[str, str]:
    """Versions of the libraries that can change a number, without importing them."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


@contextmanager
def manifest(
    path: Path | str,
    stage: str,
    spec: str | dict[str, Any],
    code: Iterable[str],
    inputs: Iterable[Path | str] = (),
    device: str = "cpu",
    seed: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Record a stage: the block fills in what it made; the manifest is written when it ends well.

    Fields: stage, spec, code and input hashes, library versions, device, git commit, seed, started,
    duration_s, then whatever the stage adds (``status``, ``outputs``, counts).
    """
    started = time.time()
    record: dict[str, Any] = {
        "stage": stage,
        "spec": json.loads(spec) if isinstance(spec, str) else spec,
        "code": code_of(*code),
        "inputs": {str(item): sha256_of(item) for item in inputs},
        "versions": library_versions(),
        "device": device,
        "git_commit": git_commit(),
        "seed": seed,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
    }
    yield record
    record["duration_s"] = round(time.time() - started, 3)
    write_json(path, record)
