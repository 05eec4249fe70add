"""Reading a training's numbers without stalling the device, and stopping when the loss is lost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from facetory.pipeline.files import FacetoryError
from facetory.training.schedule import Schedule

if TYPE_CHECKING:
    from torch import Tensor

WATCHED_STEPS = 10
"""How many steps make the level at the start; more would take in what a fast divergence already raised."""


class TrainingDiverged(FacetoryError):
    """The loss left the finite numbers, or its level at the start, for good.

    ``last`` is the line of progress.jsonl up to that step: its finite numbers.
    """

    def __init__(self, message: str, last: dict[str, Any]) -> None:
        super().__init__(message)
        self.last = last


class Watch:
    """The numbers of the steps since the last log line, and the level that a run-away loss is measured by.

    Numbers are kept as they come (on the device) until `look` reads them all at once.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.pending: list[tuple[int, dict[str, float | Tensor]]] = []
        self.window: list[dict[str, float]] = []
        self.start: list[float] = []
        self.running = 0.0

    def note(self, step: int, numbers: dict[str, float | Tensor]) -> None:
        """Keep the numbers of one batch, unread."""
        self.pending.append((step, numbers))

    def look(self) -> None:
        """Read what is pending; raise `TrainingDiverged` at the first loss that is not finite or ran away."""
        for step, numbers in zip(
            [s for s, _ in self.pending], _read([n for _, n in self.pending]), strict=True
        ):
            self.window.append(numbers)
            self._check(step, numbers)
        self.pending.clear()

    def _check(self, step: int, numbers: dict[str, float]) -> None:
        loss = numbers["loss"]
        if not math.isfinite(loss):
            raise TrainingDiverged(
                f"training diverged at step {step}: the loss is {loss}. Lower the learning rate "
                f"(lr={self.schedule.lr:g}) or the weight of the negative terms, or train in a wider "
                f"precision (this was {self.schedule.precision!r}).",
                self._line(step),
            )
        value = abs(numbers[self.schedule.watched])
        if len(self.start) < WATCHED_STEPS:
            self.start.append(value)
            self.running = sum(self.start) / len(self.start)
            return
        self.running += 0.1 * (value - self.running)
        level = sum(self.start) / len(self.start)
        if self.running > self.schedule.divergence_factor * level:
            raise TrainingDiverged(
                f"training diverged at step {step}: |{self.schedule.watched}| runs at {self.running:.4g}, "
                f"more than {self.schedule.divergence_factor:g} times its level at the start ({level:.4g}). "
                f"Lower the learning rate (lr={self.schedule.lr:g}) or the weight of the negative terms, or "
                "raise divergence_factor if this is meant.",
                self._line(step),
            )

    def means(self) -> dict[str, float]:
        """The mean of each number over the window, which starts anew; looks at what is pending first."""
        self.look()
        window, self.window = self.window, []
        return _means(window)

    def _line(self, step: int) -> dict[str, Any]:
        means = _means(self.window)
        return {"step": step + 1} | {key: mean for key, mean in means.items() if math.isfinite(mean)}

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, as JSON."""
        return {"window": self.window, "start": self.start, "running": self.running}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the state of a checkpoint."""
        self.window, self.start, self.running = state["window"], state["start"], state["running"]


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    keys = {key: None for row in rows for key in row}
    columns = {key: [row[key] for row in rows if key in row] for key in keys}
    return {key: sum(column) / len(column) for key, column in columns.items()}


def _read(rows: list[dict[str, float | Tensor]]) -> list[dict[str, float]]:
    """The rows as floats; tensors of all rows are read together, so that the host waits for the GPU once."""
    import torch

    tensors = [value for row in rows for value in row.values() if isinstance(value, torch.Tensor)]
    values = iter(torch.stack([t.detach().float().reshape(()) for t in tensors]).tolist() if tensors else [])
    return [
        {k: next(values) if isinstance(v, torch.Tensor) else float(v) for k, v in row.items()} for row in rows
    ]
