"""What a recognizer for people answers: the label, what it rests on, and what would have been otherwise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facetory.data.mosei.spec import Modality


@dataclass(frozen=True)
class Recognition:
    """What the model says of an utterance.

    ``attribution`` is each modality's Shapley value of the label's log-odds in nats: together they are what
    the streams change against knowing none of them (``log_odds_of_nothing``).  ``graph`` are the model's own
    modality weights, None for a baseline.  ``present`` says which modalities were given, ``notes`` what
    should be known about the answer.
    """

    label: str
    probabilities: dict[str, float]
    attribution: dict[Modality, float]
    log_odds_of_nothing: float
    graph: dict[Modality, float] | None
    present: tuple[Modality, ...]
    notes: tuple[str, ...]

    @property
    def probability(self) -> float:
        """The label's."""
        return self.probabilities[self.label]


@dataclass(frozen=True)
class Counterfactual:
    """An utterance's latent resampled under another label.

    ``before`` are the probabilities as predicted, ``roundtrip`` those after resampling under the predicted
    label itself (the control: of what changes beyond it, the other label is the cause), ``after`` those under
    ``target``.  ``distance`` is ‖Δz‖ between the two, ``by_row`` (rows,) where it lies.
    """

    label: str
    target: str
    before: dict[str, float]
    roundtrip: dict[str, float]
    after: dict[str, float]
    distance: float
    by_row: np.ndarray

    @property
    def reached(self) -> bool:
        """Whether the model calls the resampled latent by the target's name."""
        return max(self.after, key=self.after.__getitem__) == self.target
