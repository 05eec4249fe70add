"""An exported generator in miniature: random weights, a tiny first stage, a pool of eleven identities."""

from __future__ import annotations

from pathlib import Path

from facetory.adaptdiff.export import export_generator
from facetory.adaptdiff.spec import IdentitySampler
from facetory.pipeline.files import read_json, write_json
from synthesis_street import GENERATOR, PX, street


def made(folder: Path) -> dict[str, Path]:
    """What an export reads, as results/<scale>/ is laid out."""
    paths = street(folder / "made")
    generator = folder / "generators" / GENERATOR.id
    generator.parent.mkdir(parents=True)
    paths["generator"].rename(generator)
    about = read_json(generator / "manifest.json")
    about |= {"spec": GENERATOR.model_dump(mode="json"), "parameters": 1234}
    write_json(generator / "manifest.json", about)
    dataset = {"title": "Drawn faces", "licence": "CC0-1.0", "counts": {}}
    write_json(folder / "datasets" / "drawn" / "manifest.json", dataset)
    return paths | {"generator": generator}


def exported(folder: Path, **own) -> Path:
    """The folder of an exported model: six steps of DDIM, four rows a batch."""
    usual = {"sampler": IdentitySampler(method="ddim", steps=4), "alignment": "none", "face_px": PX}
    settings = usual | {"batch_rows": 4, "stands_in_for": "FFHQ"} | own
    export_generator(**made(folder), folder=folder / "model", **settings)
    return folder / "model"
