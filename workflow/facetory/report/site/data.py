"""What the page's script shows on request: cells, records and manifests as JSON that is inert in a page."""

from __future__ import annotations

import json
from typing import Any

from facetory.report.layout import heading
from facetory.report.notes import MEANINGS, SYMBOLS
from facetory.report.site.gathering import Site, Target


def embedded(content: Any) -> str:
    """JSON that is inert inside a script element: no ``<``, ``>`` or ``&`` is left in it."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def numbering(site: Site) -> dict[str, int]:
    """The place of every cell in the data, by its id."""
    ids = (cell.id for target in site.targets for cell in target.table.cells)
    return {id: place for place, id in enumerate(ids)}


def data_of(site: Site) -> dict[str, Any]:
    """The cells in the order of the page; ``records`` and ``manifests`` are named by their place.

    Reasons, budgets and library versions, which many share, stand once in ``pool``.
    """
    pool: dict[str, int] = {}
    manifests = {path: place for place, path in enumerate(site.origins.manifests)}
    records = {record: place for place, record in enumerate(site.origins.ways)}
    cells = [
        cell.model_dump(mode="json", exclude_defaults=True, exclude={"reading", "command"})
        | {
            "table": target.table.table,
            "reason": _pooled(cell.reason, pool),
            "budget": _pooled(cell.budget, pool),
            "records": [records[record] for record in site.origins.records[cell.id]],
        }
        for target in site.targets
        for cell in target.table.cells
    ]
    return {
        "root": f"results/{site.root.name}",
        "symbols": SYMBOLS,
        "meanings": MEANINGS,
        "tables": {target.table.table: _told(target) for target in site.targets},
        "cells": cells,
        "records": [
            {"path": path, "way": [manifests[own] for own in way]} for path, way in site.origins.ways.items()
        ],
        "manifests": [
            {"path": path, "says": about | {"versions": _pooled(about.get("versions"), pool)}}
            for path, about in site.origins.manifests.items()
        ],
        "claims": _claims(site),
        "pool": [json.loads(text) for text in pool],
    }


def _told(target: Target) -> dict[str, str]:
    """What a table or figure says of all its cells."""
    table = target.table
    command = table.cells[0].command if table.cells else ""
    return {
        "heading": heading(table),
        "reading": table.reading,
        "resampled": table.resampled,
        "command": command,
    }


def _claims(site: Site) -> dict[str, list[str]]:
    """The texts of the claims that rest on a cell, by its id."""
    found: dict[str, list[str]] = {}
    for claim in site.claims or []:
        for id in claim.evidence:
            found.setdefault(id, []).append(claim.text)
    return found


def _pooled(value: Any, pool: dict[str, int]) -> int | None:
    """The place of a value in the pool; None where there is none."""
    return pool.setdefault(json.dumps(value, ensure_ascii=False), len(pool)) if value else None
