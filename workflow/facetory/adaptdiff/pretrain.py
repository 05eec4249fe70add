"""Pretraining the demo's identity networks and its generator from a packed data set of renders."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from facetory.adaptdiff.pretrain_card import card
from facetory.adaptdiff.pretrain_embedder import train_embedder
from facetory.adaptdiff.pretrain_generator import train_generator
from facetory.adaptdiff.pretraining import AUTOENCODER, PARTS, Place, Pretraining, people_of
from facetory.diffusion.pack import unpack
from facetory.pipeline.files import FacetoryError, read_json, sha256_of, write_text
from facetory.pipeline.provenance import manifest


def pretrain(settings: Pretraining, place: Place) -> dict[str, Any]:
    """Train both networks and the generator: context.safetensors, judge.safetensors and generator/.

    Beside them lie manifest.json and README.md.  Returns the manifest.
    """
    path = place.folder / "manifest.json"
    earlier = read_json(path) if path.is_file() else {}
    inputs = {place.packed: place.packed.name, place.first_stage / AUTOENCODER: AUTOENCODER}
    spec = json.dumps(asdict(settings))
    with manifest(path, "identity", spec, ["adaptdiff.pretrain"], inputs, place.device) as record:
        digests = record["inputs"]
        record["device_name"] = "a GPU" if place.device.startswith("cuda") else "a CPU"
        record["inputs"] = {name: digests[str(file)] for file, name in inputs.items()}
        data = unpack(place.packed)
        record["data"] = {
            "images": len(data.images),
            "people": len(set(people_of(data.sample_ids))),
            "held_out": int(data.held_out.sum()),
            "px": data.images.shape[-1],
        }
        for part in PARTS:
            if getattr(settings, part).steps == 0:
                record[part], record["spec"][part] = _kept(earlier, part, place)
            elif part == "generator":
                record[part] = train_generator(settings, place, data)
            else:
                record[part] = train_embedder(settings, place, part, data)
        files = sorted(place.folder.rglob("*.safetensors"))
        record["sha256"] = {str(file.relative_to(place.folder)): sha256_of(file) for file in files}
        record["status"] = "trained"
        write_text(place.folder / "README.md", card(record))
    return record


def _kept(earlier: dict[str, Any], part: str, place: Place) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the folder's manifest says of a part that is not trained again, and how it was trained."""
    if part not in earlier:
        raise FacetoryError(f"{place.folder}: holds no {part} to keep. Give {part} more than 0 steps.")
    return earlier[part], earlier["spec"][part]
