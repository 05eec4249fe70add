"""A bundle from which a reviewer rebuilds every table: records and manifests, and no picture of a face."""

from __future__ import annotations

import shutil
import zipfile
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from pydantic import BaseModel, ConfigDict

from facetory.pipeline.files import FacetoryError, sha256_of, write_json, write_text, written_aside
from facetory.report.archive_text import README_TEXT
from facetory.report.lineage import lineage
from facetory.report.made import ENDING
from facetory.report.plans import NAME as PLANS
from facetory.report.plans import PlansFile, read_plans
from facetory.report.reduced import Reduced, split, write_reduced

ABOUT, SUMS, README = "archive.json", "SHA256SUMS", "README.md"
RECORDS = {
    "evaluations": "*.safetensors",
    "races": "race.json",
    "edits": "edits.safetensors",
    "measures": "measures.safetensors",
    "samples": "images.safetensors",
    "reconstructions": "records.safetensors",
    "scores": "records.safetensors",
    "counterfactuals": "records.safetensors",
    "verifications": "records.safetensors",
    "separations": "records.safetensors",
}
"""What lies beside a manifest and is measured for cells, by the kind of its folder."""
PICTURES = "generations"
"""The kind of folder whose record is pictures and nothing else: its cells cannot be rebuilt."""
COURSE = "progress.jsonl"
TEXTS = {"tables": (ENDING, ".csv", ".tex", ".html"), "figures": (ENDING, ".csv")}
BESIDE = (PLANS, "claims.json", "audit.json")
FIRST_DAY = (1980, 1, 1, 0, 0, 0)
"""The time stamp of every member, so that equal content gives equal archives."""


class ArchiveFile(BaseModel):
    """archive.json: whose results these are, and what was left out of which file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["facetory archive 1"] = "facetory archive 1"
    facetory: str
    results: str
    reduced: dict[str, Reduced] = {}


def write_archive(root: Path, out: Path) -> ArchiveFile:
    """Bundle a results folder as a zip file, atomically; all of it lies below one folder, named like it.

    Pictures and descriptions of faces are left out of the records that hold them (`reduced`); weights,
    latents, faces, drawn figures and the report are not in it at all.  Without plans.json, or where a record
    is missing, it is a `FacetoryError`.
    """
    names, reduced = contents(root, read_plans(root / PLANS)), {}
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shown, left_out = split(root / name) if name.endswith(".safetensors") else ([], [])
            if left_out and shown:
                write_reduced(folder / name, root / name, shown)
                hashes = {"whole": sha256_of(root / name), "sha256": sha256_of(folder / name)}
                reduced[name] = Reduced(without=left_out, **hashes)
            elif not left_out:
                shutil.copyfile(root / name, folder / name)
        about = ArchiveFile(facetory=version("facetory"), results=root.resolve().name, reduced=reduced)
        write_json(folder / ABOUT, about.model_dump(mode="json"))
        write_text(folder / README, README_TEXT.format(name=about.results, version=about.facetory))
        members = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        write_text(folder / SUMS, "".join(f"{sha256_of(folder / name)}  {name}\n" for name in members))
        with written_aside(out) as aside:
            _zip(folder, [*members, SUMS], about.results, aside)
    return about


def contents(root: Path, plans: PlansFile) -> list[str]:
    """The files of a bundle as paths below the results folder: of the tables and figures that were made.

    A record that one of their cells names and that is not there is a `FacetoryError`.
    """
    texts, records = [], dict[str, None]()
    for name, plan in plans.plans.items():
        endings = [f"{folder}/{name}{ending}" for folder, own in TEXTS.items() for ending in own]
        made = [path for path in endings if (root / path).is_file()]
        texts += made
        records |= dict.fromkeys(plan.inputs if made else [])
    lacking = next((path for path in records if not (root / path).is_file()), None)
    if lacking:
        raise FacetoryError(
            f"{root / lacking}: the file is missing, and cells are measured from it. Make their tables "
            "again, then archive them."
        )
    manifests = list(lineage(root, records))
    beside = [path for name in manifests for path in _beside(root, name)]
    whole = [name for name in BESIDE if (root / name).is_file()]
    return sorted({*whole, *texts, *manifests, *beside})


def _beside(root: Path, manifest: str) -> list[str]:
    folder, kind = (root / manifest).parent, manifest.partition("/")[0]
    found = [*folder.glob(RECORDS.get(kind, COURSE)), *folder.glob(COURSE)]
    return [path.relative_to(root).as_posix() for path in found]


def _zip(folder: Path, members: list[str], below: str, out: Path) -> None:
    with zipfile.ZipFile(out, "w") as bundle:
        for name in members:
            about = zipfile.ZipInfo(f"{below}/{name}", FIRST_DAY)
            about.create_system, about.external_attr = 3, 0o644 << 16
            about.compress_type = zipfile.ZIP_DEFLATED
            with (folder / name).open("rb") as source, bundle.open(about, "w", force_zip64=True) as member:
                shutil.copyfileobj(source, member)
