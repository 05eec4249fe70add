"""The recognizer for people: one utterance's streams in, the name of an emotion and what it rests on out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facetory.affectdiff.model_folder import Model, Opened, read_model
from facetory.affectdiff.recognition import Counterfactual, Recognition
from facetory.data.mosei.spec import MODALITIES, Modality
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.suggest import unknown

if TYPE_CHECKING:
    from torch import Tensor

    from facetory.affectdiff.batches import Streams

STEPS = 50
MINUS = "\N{MINUS SIGN}"
Utterances = np.ndarray | Sequence[np.ndarray | None] | None


class AffectRecognizer:
    """A trained Affect-Diff, or a baseline of its; `load` one, then `predict`."""

    def __init__(self, opened: Opened, device: str = "cpu") -> None:
        from facetory.affectdiff.networks import load_recognizer

        self.about: Model = opened.about
        self.device = device
        self._model, _, self._normalisation = load_recognizer(opened.weights.parent, device)

    @classmethod
    def load(cls, folder: Path | str, device: str = "cpu") -> AffectRecognizer:
        """Load a model's folder, as `facetory affectdiff export` writes it.

        ``device`` is "cpu", "cuda" or "auto" (a GPU where there is one).  Files that are missing or differ
        from what the model recorded are a `FacetoryError`.
        """
        import torch

        folder = Path(folder)
        if not (folder / "model.json").is_file():
            raise FacetoryError(
                f"{folder}: no model. Name a folder that `facetory affectdiff export` wrote; it holds "
                "model.json."
            )
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(read_model(folder), device)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of all probabilities."""
        return self.about.classes

    def predict(self, text: Utterances = None, audio: Utterances = None, video: Utterances = None) -> Any:
        """A `Recognition` of one utterance's streams, or a list of them for lists of streams.

        A stream is (rows, D) of raw features, a row a word (`about.streams`), NaN where nothing was measured;
        None is a modality that is missing, of one utterance or of all.  Features of another size, streams of
        different lengths, or no stream at all are a `FacetoryError`.
        """
        given = {"text": text, "audio": audio, "video": video}
        if any(isinstance(own, Sequence) for own in given.values()):
            return self._recognize(_utterances(given))
        return self._recognize([given])[0]

    def counterfactual(
        self,
        text: np.ndarray | None = None,
        audio: np.ndarray | None = None,
        video: np.ndarray | None = None,
        *,
        label: str,
        steps: int | None = None,
        guidance_scale: float = 3.0,
        strength: float = 1.0,
    ) -> Counterfactual:
        """What the latent of one utterance would have been, had the emotion been ``label``.

        The latent is inverted under the predicted label (DDIM) and resampled under the other one.  ``steps``
        is by default 50, or as many as the prior has.  A model without a diffusion prior, an unknown label,
        the predicted one, or steps beyond the prior's are a `FacetoryError`.
        """
        import torch

        from facetory.affectdiff.counterfactual import no_prior, relabel
        from facetory.affectdiff.model import AffectDiff

        model = self._model
        if (reason := no_prior(model)) or not isinstance(model, AffectDiff):
            raise FacetoryError(f"{self.about.name}: {reason}, so it has no counterfactuals.")
        target = self.classes.index(self.class_named(label))
        most = model.spec.prior_timesteps - 1
        steps = min(STEPS, most) if steps is None else steps
        if not 1 <= steps <= most:
            raise FacetoryError(f"steps {steps}: this model's prior can take 1 to {most}.")
        streams, mask = self._batch([{"text": text, "audio": audio, "video": video}])
        with torch.inference_mode():
            source = model(streams, mask)
            predicted = source.argmax(1)
            if int(predicted) == target:
                raise FacetoryError(f"label {label}: is what the model predicts already. Name another one.")
            encoded = model.encode(streams, mask)
            changed = relabel(model, encoded, predicted, steps, guidance_scale, strength)
        rows = int(mask.any(1).sum()) if self.about.training.model.masks else mask.shape[2]
        return Counterfactual(
            label=self.classes[int(predicted)],
            target=self.classes[target],
            before=self._named(source[0]),
            roundtrip=self._named(changed.logits[0, int(predicted)]),
            after=self._named(changed.logits[0, target]),
            distance=float(changed.distance[0, target]),
            by_row=changed.by_position[0, target, :rows].cpu().numpy(),
        )

    def class_named(self, name: str) -> str:
        """The class of this name in any case; a hyphen is a minus.  An unknown one is a `FacetoryError`."""
        asked = name.strip().lower().replace("-", MINUS)
        for own in self.classes:
            if own.lower() == asked:
                return own
        raise unknown("class", name, self.classes, self.about.name)

    def _recognize(self, utterances: Sequence[dict[str, Any]]) -> list[Recognition]:
        from facetory.affectdiff.attribution import EVERYBODY, NOBODY, coalition_logits, log_odds, shapley

        streams, mask = self._batch(utterances)
        logits = coalition_logits(self._model, streams, mask)
        everybody = logits[:, EVERYBODY]
        odds = log_odds(logits, everybody.argmax(1)[:, None]).cpu().numpy()
        graph = self._graph(streams, mask)
        results = []
        for i, (values, shares) in enumerate(zip(odds, shapley(odds), strict=True)):
            present = tuple(m for m in MODALITIES if utterances[i].get(m) is not None)
            results.append(
                Recognition(
                    label=self.classes[int(everybody[i].argmax())],
                    probabilities=self._named(everybody[i]),
                    attribution=dict(zip(MODALITIES, shares.tolist(), strict=True)),
                    log_odds_of_nothing=float(values[NOBODY]),
                    graph=graph[i] if graph else None,
                    present=present,
                    notes=tuple(self._notes(present, utterances[i])),
                )
            )
        return results

    def _graph(self, streams: Streams, mask: Tensor) -> list[dict[Modality, float]] | None:
        import torch

        from facetory.affectdiff.model import AffectDiff

        if not isinstance(self._model, AffectDiff):
            return None
        with torch.inference_mode():
            weights = self._model.encode(streams, mask).weights
        return [dict(zip(MODALITIES, row, strict=True)) for row in weights.tolist()]

    def _notes(self, present: Sequence[Modality], utterance: dict[str, Any]) -> list[str]:
        notes, length = [], self.about.training.model.length
        if missing := [m for m in MODALITIES if m not in present]:
            notes.append(
                f"no {' and no '.join(missing)}: left out by the model"
                if self.about.training.model.masks
                else f"no {' and no '.join(missing)}: zeros (the training mean) stand in, as in this model's "
                "training without masks; that is not the same as not knowing"
            )
        longest = max(len(utterance[m]) for m in present)
        if longest > length:
            notes.append(f"{longest} rows: the model reads the first {length}")
        return notes

    def _named(self, logits: Tensor) -> dict[str, float]:
        return dict(zip(self.classes, logits.softmax(-1).tolist(), strict=True))

    def _batch(self, utterances: Sequence[dict[str, Any]]) -> tuple[Streams, Tensor]:
        """Streams (B, L, D), normalised as in training, and their mask (B, 3, L)."""
        from facetory.affectdiff.utterances import checked, padded

        tables = [checked(own, self.about, f"utterance {i}") for i, own in enumerate(utterances)]
        return padded(tables, self._normalisation, self.about.training.model.length, self.device)


def _utterances(given: dict[str, Utterances]) -> list[dict[str, Any]]:
    """One dictionary an utterance from the lists of each modality; a modality that is None has none."""
    lists = {name: own for name, own in given.items() if own is not None}
    for name, own in lists.items():
        if not isinstance(own, Sequence):
            raise FacetoryError(f"{name}: one array beside lists. Give a list of arrays for each modality.")
    counts = {name: len(own) for name, own in lists.items()}
    if len(set(counts.values())) > 1:
        raise FacetoryError(f"lists of different lengths: {counts}. Give every modality as many, or None.")
    return [{name: own[i] for name, own in lists.items()} for i in range(next(iter(counts.values())))]
