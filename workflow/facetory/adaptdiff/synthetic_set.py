"""A folder of synthetic identities: marked pictures by identity, metadata, contexts, a sheet to look at."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from facetory.adaptdiff.identity_faces import IdentityFaces, SyntheticIdentity
from facetory.adaptdiff.model_card import guidance_in_words, sampler_in_words, training_in_words
from facetory.adaptdiff.spec import SynthesisSpec
from facetory.data.images import read_image
from facetory.data.index import write_csv
from facetory.data.marks import Mark, write_marked
from facetory.faces.identity_sheet import write_sheet
from facetory.pipeline.files import FacetoryError, read_json, sha256_of, write_json, write_tensors, write_text

SETTINGS, METADATA, CONTEXTS = "settings.json", "metadata.csv", "identities.safetensors"
COLUMNS = ("identity", "image", "file", "seed", "synthetic", "model", "model_sha256", "sha256")
SHOWN = (12, 8)
"""Identities and images of each that the contact sheet shows, at most."""
README = """SYNTHETIC FACES

{count} identities with {images} images each, in a folder per identity. Nobody in these pictures exists; no
photograph went into them.

They were drawn by the model {model} ({guidance}; {sampler}; seed {seed}),
model.json sha256 {sha256}. {trained}

metadata.csv   a line a picture, with its hash
identities.safetensors   contexts, the unit vectors that the faces were drawn from, and their negatives
contact_sheet.png   the first of them, to look at
settings.json   all settings

A picture's number is that of its noise, so numbers of pictures without a face are left out.
Every PNG says in its metadata that it is synthetic. Leave that in, and do not pass the pictures off as
photographs. A synthetic face may resemble a person by chance, or one whose pictures the model learnt from.
"""


def write_set(
    faces: IdentityFaces, folder: Path | str, first: int = 0, show: Any = None, **own: Any
) -> SynthesisSpec:
    """Draw a set into ``folder``/<identity>/<image>.png; settings ``own`` as of `IdentityFaces.settings`.

    An identity's folder is there when all its pictures are, metadata.csv when everything is: a set that was
    killed goes on, under the same settings, from the identities that it has.  A folder that holds anything
    else is a `FacetoryError`.  ``show(count)`` is told of every identity.
    """
    folder, spec = Path(folder), faces.settings(**own)
    asked = {"model": faces.about.name, "model_sha256": faces.sha256, "first": first}
    asked |= {"synthesis": spec.model_dump(mode="json")}
    _claim(folder, asked)
    done = {int(path.name): path for path in folder.iterdir() if path.is_dir() and path.name.isdecimal()}
    for count, identity in enumerate(faces.make(**own, first=first, skip=done), start=len(done) + 1):
        done[identity.number] = _write(folder, identity, faces, spec)
        if show:
            show(count)
    _finish(folder, [done[number] for number in sorted(done)], faces, spec)
    return spec


def _claim(folder: Path, asked: dict[str, Any]) -> None:
    """Take an empty folder, or one of the same set that is not finished."""
    path = folder / SETTINGS
    if folder.is_dir() and any(folder.iterdir()):
        if (folder / METADATA).exists() and path.is_file() and read_json(path) == asked:
            raise FacetoryError(f"{folder}: this very set lies here, whole. Name a new folder for another.")
        if not path.is_file() or (folder / METADATA).exists():
            raise FacetoryError(f"{folder}: holds files already. Name a new or empty folder.")
        if read_json(path) != asked:
            raise FacetoryError(
                f"{folder}: a set with other settings was begun here ({path.name}). Repeat those, or name a "
                "new folder."
            )
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(".*.aside"):
        shutil.rmtree(left)
    write_json(path, asked)


def _write(folder: Path, identity: SyntheticIdentity, faces: IdentityFaces, spec: SynthesisSpec) -> Path:
    place = folder / identity.name
    with _folder_aside(place) as aside:
        for image, picture in zip(identity.image.tolist(), identity.images, strict=True):
            about = {"identity": identity.name, "image": f"{image:02d}", "seed": str(spec.seed)}
            mark = Mark(
                title=f"Synthetic face {identity.name}/{image:02d}",
                description="Synthetic: drawn by a diffusion model; this person does not exist.",
                model=faces.about.name,
                kind="generated",
                about=about | {"model_sha256": faces.sha256},
            )
            write_marked(aside / f"{image:02d}.png", picture, mark)
    return place


@contextmanager
def _folder_aside(place: Path) -> Iterator[Path]:
    aside = place.with_name(f".{place.name}.aside")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        yield aside
        aside.rename(place)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _finish(folder: Path, places: Sequence[Path], faces: IdentityFaces, spec: SynthesisSpec) -> None:
    """Contexts, sheet, README and, last, the metadata."""
    numbers, about = [int(place.name) for place in places], faces.about
    vectors = {"contexts": faces.pool.contexts, "negatives": faces.pool.negatives(spec.guidance.negative)}
    write_tensors(
        folder / CONTEXTS,
        {name: own[numbers] for name, own in vectors.items()},
        {"identities": [place.name for place in places], "model": about.name, "synthetic": True},
    )
    _write_sheet(folder / "contact_sheet.png", places, about.name)
    data = about.data
    stands_in = f", in place of {data.stands_in_for}" if data.stands_in_for else ""
    text = README.format(
        count=len(places),
        images=spec.images,
        model=about.name,
        sha256=faces.sha256,
        guidance=guidance_in_words(spec.guidance),
        sampler=sampler_in_words(spec.sampler),
        seed=spec.seed,
        trained=f"It learnt from {data.title}{stands_in}: {training_in_words(about.training)}.",
    )
    write_text(folder / "README.txt", text)
    write_csv(folder / METADATA, COLUMNS, (_row(file, faces, spec) for p in places for file in pictures(p)))


def _write_sheet(path: Path, places: Sequence[Path], model: str) -> None:
    shown = {
        place.name: np.stack([read_image(file).transpose(2, 0, 1) for file in pictures(place)[: SHOWN[1]]])
        for place in places[: SHOWN[0]]
    }
    write_sheet(path, shown, f"Synthetic faces by {model}")
    mark = Mark("Synthetic faces", "Synthetic: nobody here exists.", model, "generated")
    write_marked(path, read_image(path), mark)


def _row(file: Path, faces: IdentityFaces, spec: SynthesisSpec) -> list[str]:
    own = (file.parent.name, file.stem, f"{file.parent.name}/{file.name}", spec.seed, "true")
    return [*map(str, own), faces.about.name, faces.sha256, sha256_of(file)]


def pictures(place: Path) -> list[Path]:
    """The pictures of an identity's folder by their number."""
    return sorted(place.glob("*.png"), key=lambda path: int(path.stem))
