"""The classifier for people: photographs in, names of expressions out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from facetory.data.pictures import name_of, pixels
from facetory.emodc import calibration
from facetory.emodc.grids import TIMESTEPS, grid
from facetory.emodc.model_folder import Model, Opened, backbone_folder, read_model
from facetory.faces.crop import align_image
from facetory.faces.several import Face, NoFaceFound, aligned_faces
from facetory.pipeline.files import FacetoryError, open_tensors
from facetory.pipeline.randomness import sample_keys

if TYPE_CHECKING:
    from torch import Tensor

    from facetory.data.pictures import Picture

Steps = int | Literal["auto"]
FACES_AT_ONCE = 16


class Look(NamedTuple):
    """Errors (n, T, K), NaN where racing did not look, and the classes decided for, (n,)."""

    errors: np.ndarray
    winners: np.ndarray


class EmotionDiffusionClassifier:
    """A trained EmoDC model, used like a classifier of scikit-learn.

    ``steps`` is the number of timesteps averaged, 1 to 1000 (the paper: 1, 10, 100), or "auto": as many as
    each picture needs (racing).  With ``detect`` the pictures are photographs, in each of which the face that
    training would have chosen is found and cut; without it they are cut faces.  Both may be changed later.

    The noise is a function of the picture, so a picture gets the same answer whatever else is asked.
    """

    def __init__(
        self,
        opened: Opened,
        backbone: Path | str,
        device: str = "cpu",
        steps: Steps = 10,
        detect: bool = True,
    ) -> None:
        import torch

        from facetory.diffusion.backbone import load_vae
        from facetory.diffusion.schedule import alphas_cumprod
        from facetory.emodc.classifier import model

        self.about: Model = opened.about
        self.steps, self.detect = steps, detect
        self._race = opened.race
        self.device = torch.device(device)
        with open_tensors(opened.prompts, "pt") as handle:
            self._tokens = handle.get_tensor("tokens")[: len(self.about.classes)].to(self.device)
        self._unet = model(backbone, opened.adapter, device)
        self._vae = load_vae(backbone, device)
        self._alpha_bars = alphas_cumprod().to(self.device)

    @classmethod
    def load(
        cls,
        path: Path | str,
        device: str = "auto",
        *,
        steps: Steps = 10,
        detect: bool = True,
        data_root: Path | str = "data",
    ) -> EmotionDiffusionClassifier:
        """Load a model's folder, or the folder of a run under results/.

        ``device`` is "cpu", "cuda" or "auto" (a GPU where there is one); backbones are looked for in the
        project, in ``data_root``/weights and in the hub's cache.  Files that are missing or differ from what
        the model recorded are a `FacetoryError`.
        """
        import torch

        opened = open_model(path)
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(opened, backbone_folder(opened, data_root), device, steps, detect)

    @property
    def classes_(self) -> np.ndarray:
        """The names of the classes, (K,), in the order of all columns."""
        return np.array(self.about.classes)

    def predict(self, images: Picture | Sequence[Picture]) -> np.ndarray:
        """The name of the most probable class of each picture, (n,).

        ``images``: paths, PIL images or uint8 arrays (h, w), (h, w, 3); one of them, or several.  A picture
        that cannot be read is a `FacetoryError`, one without a face a `NoFaceFound` (with ``detect``).
        """
        return self.classes_[self._look(self._faces(images)).winners]

    def predict_proba(self, images: Picture | Sequence[Picture]) -> np.ndarray:
        """p(c|x) ∝ exp(−β · error), float64 (n, K); `about.calibration` says where β comes from."""
        return self._probabilities(self._look(self._faces(images)))

    def errors(self, images: Picture | Sequence[Picture]) -> np.ndarray:
        """Noise-prediction errors, float32 (n, T, K), at `timesteps`; NaN where racing did not look."""
        return self._look(self._faces(images)).errors

    def faces(self, image: Picture) -> list[Face]:
        """Every face of a photograph, left to right, cut as in training; none is an empty list."""
        return aligned_faces(pixels(image), self.about.faces)

    @property
    def timesteps(self) -> tuple[int, ...]:
        """The timesteps that `errors` looks at (racing: at most), counting from 0."""
        if self.steps == "auto":
            if self.about.race is None:
                raise FacetoryError(
                    f"steps auto: {self.about.name} was exported without racing, which needs an evaluation "
                    "at 5 timesteps or more of 10 people or more. Choose 1, 10 or 100 steps."
                )
            return grid(self.about.race.steps)
        if not isinstance(self.steps, int):
            raise FacetoryError(f"steps: {self.steps!r} is no number from 1 to {TIMESTEPS}, nor 'auto'.")
        return (self.about.one_step,) if self.steps == 1 else grid(self.steps)

    @property
    def beta(self) -> float:
        """β at this number of steps: the one fitted at the most timesteps up to it, or at the fewest."""
        fitted = self.about.calibration.beta
        if not fitted:
            return float(np.prod(self._latent_shape))
        within = [steps for steps in fitted if steps <= len(self.timesteps)]
        return fitted[max(within) if within else min(fitted)]

    def describe(self, faces: Sequence[np.ndarray]) -> list[dict[str, Any]]:
        """Cut faces, uint8 (h, w, 3), in words: class, probabilities, mean errors and timesteps seen."""
        look, names = self._look(faces), self.about.classes
        rows = zip(look.errors, look.winners, self._probabilities(look), strict=True)
        return [
            {
                "class": names[winner],
                "probability": float(probability[winner]),
                "probabilities": dict(zip(names, probability.tolist(), strict=True)),
                "errors": dict(zip(names, np.nanmean(errors, axis=0, dtype=float).tolist(), strict=True)),
                "timesteps_seen": dict(zip(names, np.isfinite(errors).sum(axis=0).tolist(), strict=True)),
            }
            for errors, winner, probability in rows
        ]

    def _look(self, faces: Sequence[np.ndarray]) -> Look:
        """Measure cut faces, on all timesteps or by racing."""
        from facetory.emodc.classifier import errors_by_class
        from facetory.emodc.race import measured
        from facetory.emodc.racing import race

        timesteps, classes = np.array(self.timesteps, dtype=np.int64), len(self.about.classes)
        if not faces:
            return Look(np.zeros((0, len(timesteps), classes), np.float32), np.zeros(0, np.int64))
        keys = sample_keys([hashlib.sha256(face.tobytes()).hexdigest() for face in faces])
        what = (self._unet, self._latents(faces), keys, timesteps, self._tokens, self._alpha_bars)
        how: dict[str, Any] = {
            "noise_seed": self.about.noise_seed,
            "precision": self.about.precision if self.device.type == "cuda" else "no",
        }
        predicts = self.about.backbone.prediction_type
        if self.steps != "auto" or self._race is None:
            errors = errors_by_class(*what, predicts, **how)
            return Look(errors, calibration.decided(errors))
        shape = (len(faces), len(timesteps), classes)
        outcome = race(measured(*what, predicts, **how), shape, self._race.model, self._race.threshold)
        return Look(outcome.errors, outcome.predictions)

    def _probabilities(self, look: Look) -> np.ndarray:
        return calibration.probabilities(look.errors, look.winners, self.beta)

    @property
    def _latent_shape(self) -> tuple[int, int, int]:
        config = self._vae.config
        side = self.about.px // 2 ** (len(config.block_out_channels) - 1)
        return (config.latent_channels, side, side)

    def _latents(self, faces: Sequence[np.ndarray]) -> Tensor:
        """Posterior means, scaled, (n, C, h, w), rounded to float16 as cached latents are."""
        import torch

        from facetory.diffusion.latents import posterior
        from facetory.diffusion.pixels import to_unit
        from facetory.faces.views import as_batch

        means = []
        with torch.inference_mode():
            for first in range(0, len(faces), FACES_AT_ONCE):
                batch = torch.from_numpy(as_batch(faces[first : first + FACES_AT_ONCE], self.about.px))
                means.append(posterior(self._vae, to_unit(batch.to(self.device)))[0].half().cpu())
        return torch.cat(means).float() * self._vae.config.scaling_factor

    def _faces(self, images: Picture | Sequence[Picture]) -> list[np.ndarray]:
        pictures: list[Any] = [images] if _is_one(images) else list(images)  # type: ignore[arg-type]
        return [self._face(picture, position) for position, picture in enumerate(pictures)]

    def _face(self, picture: Picture, position: int) -> np.ndarray:
        image = pixels(picture)
        if not self.detect:
            return image
        face, row = align_image(image, self.about.faces)
        if row["status"] != "aligned":
            raise NoFaceFound(
                f"{name_of(picture, f'image {position}')}: no face was found. Use a picture that shows one, "
                f"upright and larger than {self.about.faces.detection.fine_min_face} pixels, or detect=False "
                "if it is a cut face."
            )
        return face


def open_model(path: Path | str) -> Opened:
    """A model's folder, or a run's folder under results/ with all that it was made from beside it."""
    path = Path(path)
    if (path / "model.json").is_file():
        return read_model(path)
    if (path / "adapter.safetensors").is_file() and (path / "manifest.json").is_file():
        from facetory.emodc.export import beside, opened

        return opened(beside(path))
    raise FacetoryError(
        f"{path}: no model. Name a folder that `facetory train` or `facetory emodc export` wrote (it holds "
        "model.json), or a trained run under results/."
    )


def _is_one(images: Any) -> bool:
    if isinstance(images, np.ndarray):
        return bool(np.issubdtype(images.dtype, np.number)) and images.ndim < 4
    return isinstance(images, str) or not isinstance(images, Sequence)
