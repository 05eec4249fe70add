"""The workflow's rules, by their files, and the jobs that Snakemake remembers of each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from facetory.pipeline.config import WORKFLOW

FOLDER = WORKFLOW / "rules"
RULE = re.compile(
    r'^(?P<indent> *)rule (?P<name>\w+):\n(?:\s*"""(?P<about>[^"]*)""")?'
    r"(?P<body>(?:\n(?:(?P=indent) +.*)?)*)",
    flags=re.MULTILINE,
)


class Rule(NamedTuple):
    """A rule that makes something: its name, its docstring and the file that it stands in."""

    name: str
    about: str
    file: str


class Ran(NamedTuple):
    """A job that ended: its rule, the seconds from its start to its last output, and its first output."""

    rule: str
    seconds: float
    output: str


def rules(folder: Path = FOLDER) -> list[Rule]:
    """Every rule with an output of the .smk files in a folder, in the order of files and lines."""
    return [
        Rule(match["name"], " ".join((match["about"] or "").split()), path.name)
        for path in sorted(folder.glob("*.smk"))
        for match in RULE.finditer(path.read_text(encoding="utf-8"))
        if re.search(r"^ +output:", match["body"], flags=re.MULTILINE)
    ]


def jobs(metadata: Path, below: str) -> list[Ran]:
    """The jobs whose outputs lie in the folder ``below``, by Snakemake's metadata (.snakemake/metadata).

    A record is of an output, not of a job: those of one rule and one hash belong together.
    """
    made: dict[tuple[Any, ...], list[tuple[str, dict[str, Any]]]] = {}
    for output, record in _records(metadata):
        if output.startswith(below.rstrip("/") + "/") and record.get("rule"):
            key = record["rule"], record.get("job_hash") or str(record.get("log"))
            made.setdefault(key, []).append((output, record))
    return [_job(outputs) for outputs in made.values()]


def _job(outputs: list[tuple[str, dict[str, Any]]]) -> Ran:
    records = [record for _, record in outputs]
    started = min(record.get("starttime") or 0.0 for record in records)
    ended = max(record.get("endtime") or 0.0 for record in records)
    return Ran(records[0]["rule"], max(0.0, ended - started), min(output for output, _ in outputs))


def _records(metadata: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(output, record): a record's file is named by the URL-safe base64 of the output's path, split where a
    file name would be too long, the parts before the last as folders that begin with @."""
    from base64 import urlsafe_b64decode

    for path in sorted(metadata.rglob("*")):
        if path.is_file():
            parts = path.relative_to(metadata).parts
            encoded = "".join(part.removeprefix("@") for part in parts)
            try:
                yield urlsafe_b64decode(encoded).decode(), json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                continue
