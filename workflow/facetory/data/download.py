"""Downloads pinned by their sha256: continued where they broke off, in place only when the hash fits."""

from __future__ import annotations

import time
from pathlib import Path

import requests

from facetory.pipeline.files import FacetoryError, sha256_of

ATTEMPTS = 5
TIMEOUT = (10.0, 60.0)
"""Seconds for the connection, and for silence while reading."""
BUSY = (408, 429)
"""Answers below 500 that a later attempt may change."""
BLOCK = 1 << 16


def fetch(url: str, sha256: str, path: Path | str, wait: float = 1.0) -> bool:
    """Download ``url`` to ``path``; False when the file was there already.

    What has arrived lies in ``.{name}.part`` beside it, and a broken download goes on from there, now (up to
    `ATTEMPTS` times, ``wait`` seconds apart and doubling) or at the next call.  Raises `FacetoryError` when
    the server cannot be reached or refuses, when what arrived has another hash (it is deleted), and when
    another file stands at ``path``.
    """
    path = Path(path)
    if path.exists():
        if sha256_of(path) == sha256:
            return False
        raise FacetoryError(f"{path}: its sha256 is not {sha256}. Move it away and fetch it again.")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    _download(url, part, wait)
    found = sha256_of(part)
    if found != sha256:
        part.unlink()
        raise FacetoryError(
            f"{url}: sha256 {found} instead of {sha256}. Fetch it again; if that does not help, the file has "
            f"changed at its source: place the known one at {path}."
        )
    part.replace(path)
    return True


def _download(url: str, part: Path, wait: float) -> None:
    for attempt in range(ATTEMPTS):
        try:
            return _continue(url, part)
        except requests.RequestException as error:
            status = error.response.status_code if error.response is not None else 0
            refused = 400 <= status < 500 and status not in BUSY
            if refused or attempt == ATTEMPTS - 1:
                raise FacetoryError(
                    f"{url}: the download failed ({error}). Check the network and run it again; what has "
                    "arrived is kept."
                ) from error
            time.sleep(wait * 2**attempt)


def _continue(url: str, part: Path) -> None:
    """Append what is missing, or start over where the server cannot continue."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        if have and answer.status_code == requests.codes.requested_range_not_satisfiable:
            return
        answer.raise_for_status()
        with part.open("ab" if answer.status_code == requests.codes.partial_content else "wb") as handle:
            for block in answer.iter_content(BLOCK):
                handle.write(block)
