"""The editor for people: a photograph in, the same face with another expression out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facetory.data.labels import ALIASES, plain_name
from facetory.data.pictures import name_of, pixels
from facetory.faces.crop import crop, square
from facetory.faces.several import Face, NoFaceFound, aligned_faces
from facetory.faces.views import as_batch
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.suggest import unknown, validated
from facetory.smc.counterfactual import Counterfactual, Trace
from facetory.smc.model_folder import Model, Opened, autoencoder_of, read_model
from facetory.smc.sampler_spec import Sampler
from facetory.smc.settings import in_reading

if TYPE_CHECKING:
    from facetory.data.pictures import Picture
    from facetory.training.progress import Show


class CounterfactualEditor:
    """A trained diffusion model and its guide; `load` one, then `edit`."""

    def __init__(self, opened: Opened, autoencoder: Path, device: str = "cpu") -> None:
        from facetory.recognition.guide import load_guide
        from facetory.smc.parts import load_parts

        self.about: Model = opened.about
        training = self.about.training
        self._parts = load_parts(
            opened.diffusion,
            autoencoder,
            load_guide(opened.guide, self.about.guide.spec, device),
            (training.beta_start, training.beta_end),
            device=device,
            batch_rows=self.about.batch_rows,
        )
        if (factor := self._parts.vae.config.scaling_factor) != self.about.scaling_factor:
            raise FacetoryError(
                f"{autoencoder}: scales latents by {factor}, {self.about.name} was trained on those scaled "
                f"by {self.about.scaling_factor}. Place the autoencoder that its card names."
            )

    @classmethod
    def load(
        cls, folder: Path | str, device: str = "cpu", data_root: Path | str = "data"
    ) -> CounterfactualEditor:
        """Load a model's folder, as `facetory smc export` writes it.

        ``device`` is "cpu", "cuda" or "auto" (a GPU where there is one).  A large autoencoder is looked for
        in ``data_root``/weights and in the hub's cache.  Files that are missing or differ from what the
        model recorded are a `FacetoryError`.
        """
        import torch

        folder = Path(folder)
        if not (folder / "model.json").is_file():
            raise FacetoryError(
                f"{folder}: no model. Name a folder that `facetory smc export` wrote; it holds model.json."
            )
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        opened = read_model(folder)
        return cls(opened, autoencoder_of(opened, data_root), device)

    @property
    def classes(self) -> tuple[str, ...]:
        """The expressions that a face can be edited towards: the guide's classes."""
        return self.about.classes

    def faces(self, image: Picture) -> list[Face]:
        """Every face of a photograph, left to right, cut as in training; none is an empty list."""
        return aligned_faces(pixels(image), self.about.faces)

    def sampler(self, sampler: Sampler | str | None = None, **changes: Any) -> Sampler:
        """The model's sampler, another one, or a reading ("paper", "code", "corrected") at the model's sizes.

        ``changes`` are fields of `Sampler`; those that are None change nothing.
        """
        own = self.about.sampler
        chosen = in_reading(own, sampler) if isinstance(sampler, str) else sampler or own
        changed = {name: value for name, value in changes.items() if value is not None}
        return validated(Sampler, chosen.model_dump() | changed, "sampler")

    def edit(self, image: Picture, target: str, **options: Any) -> Counterfactual:
        """The most prominent face of a photograph with another expression; options as of `edits`."""
        return self.edits(image, [target], **options)[0]

    def edits(
        self,
        image: Picture,
        targets: Sequence[str],
        *,
        face: int | None = None,
        detect: bool = True,
        sampler: Sampler | str | None = None,
        seed: int = 0,
        progress: bool = False,
        **changes: Any,
    ) -> list[Counterfactual]:
        """One face of a photograph with several expressions, from the same noise.

        ``image``: a path, a PIL image or a uint8 array.  ``targets``: classes, or everyday words for them.
        ``face``: its place in `faces` (None: the largest); without ``detect`` the picture is a cut face.
        ``sampler`` and ``changes`` (``particles=50``, …) as in `sampler`.  ``progress`` shows a bar.

        A photograph without a face is a `NoFaceFound`, an unknown target or setting a `FacetoryError`.
        """
        from facetory.smc.editing import edit_faces
        from facetory.smc.timesteps import edit_timesteps

        names = [self.target(name) for name in targets]
        settings = self.sampler(sampler, **changes)
        photograph = pixels(image)
        found, box, cut = self._cut(photograph, face, detect, name_of(image, "the picture"))
        batch = as_batch([cut], self.about.px)
        wanted = np.array([self.classes.index(name) for name in names], dtype=np.int64)
        sources, ids = np.repeat(batch, len(names), axis=0), [self.name_of_face(cut)] * len(names)
        steps = len(names) * len(edit_timesteps(settings.inference_steps, settings.noise_strength))
        with _bar(f"editing towards {', '.join(names)}", steps, progress) as show:
            edited = edit_faces(sources, ids, wanted, self._parts, settings, seed=seed, show=show)
        pictures = np.concatenate([batch, edited.reconstructions[:1], edited.edited])
        before, reconstructed, *after = self._probabilities(pictures)
        source, reconstruction, *results = pictures.transpose(0, 2, 3, 1)
        return [
            Counterfactual(
                name, source, reconstruction, results[i], before, reconstructed, after[i],
                _trace(edited, i), photograph, box, found, settings, seed, self.about.name,
            )
            for i, name in enumerate(names)
        ]  # fmt: skip

    def target(self, name: str) -> str:
        """The class that a word stands for ("happy": happiness); an unknown word is a `FacetoryError`."""
        plain = plain_name(name)
        found = plain if plain in self.classes else ALIASES.get(plain, plain)
        if found not in self.classes:
            everyday = [word for word, own in ALIASES.items() if own in self.classes]
            raise unknown("expression", name, [*self.classes, *everyday], self.about.name)
        return found

    @staticmethod
    def name_of_face(face: np.ndarray) -> str:
        """The name by which a cut face draws its noise: equal pictures, equal noise."""
        return hashlib.sha256(face.tobytes()).hexdigest()

    def _cut(
        self, photograph: np.ndarray, face: int | None, detect: bool, name: str
    ) -> tuple[Face | None, np.ndarray, np.ndarray]:
        """The chosen face, the square it lies in, and its picture."""
        shape, settings = photograph.shape, self.about.faces
        if not detect:
            box = square(np.array([0.0, 0.0, shape[1], shape[0]]), shape, margin=0)
            return None, box, crop(photograph, box, round(box[2] - box[0]))
        found = aligned_faces(photograph, settings)
        if not found:
            raise NoFaceFound(
                f"{name}: no face was found. Use a picture that shows one, upright and larger than "
                f"{settings.detection.fine_min_face} pixels; if it is a cut face, say so (--no-detect, or "
                "detect=False in Python)."
            )
        if face is not None and not 0 <= face < len(found):
            raise FacetoryError(
                f"{name}: there is no face {face + 1}: {len(found)} found, counted from the left. Choose one "
                "of them, or none for the largest."
            )
        chosen = max(found, key=_area) if face is None else found[face]
        return chosen, square(chosen.box, shape, settings.margin), chosen.picture

    def _probabilities(self, pictures: np.ndarray) -> list[dict[str, float]]:
        """The guide's probabilities of faces, uint8 (n, 3, px, px), by class."""
        import torch

        from facetory.smc.batches import in_fixed_batches

        parts, rows = self._parts, torch.from_numpy(pictures)
        with torch.inference_mode():
            seen = rows if parts.guide.view == "faces" else parts.encode(rows)
            found = in_fixed_batches(parts.guide.log_probabilities, seen, parts.batch_rows).exp()
        return [dict(zip(self.classes, row, strict=True)) for row in found.tolist()]


def _bar(text: str, steps: int, progress: bool) -> AbstractContextManager[Show | None]:
    from facetory.training.progress import shown

    return shown(text, 0, steps) if progress else nullcontext()


def _trace(edited: Any, position: int) -> Trace:
    about = edited.about
    return Trace(
        edited.ess[position],
        edited.unique_roots[position],
        edited.ancestors[position],
        edited.scores[position],
        tuple(about["scored_steps"]),
        tuple(about["timesteps"]),
    )


def _area(face: Face) -> float:
    return float(np.prod(face.box[2:] - face.box[:2]))
