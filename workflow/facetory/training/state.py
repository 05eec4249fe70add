"""All that changes while a task is trained: what a checkpoint has to hold."""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetory.pipeline.files import FacetoryError
from facetory.training import checkpoints
from facetory.training.schedule import Schedule
from facetory.training.watch import Watch

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer


class State:
    """Weights and buffers, their running means and the selected ones, optimiser, watch, scaler, seconds."""

    def __init__(
        self,
        weights: dict[str, nn.Parameter],
        buffers: dict[str, Tensor],
        optimizer: Optimizer,
        watch: Watch,
        schedule: Schedule,
        scaler: Any,
    ) -> None:
        self.weights, self.buffers = weights, buffers
        self.optimizer, self.watch, self.scaler = optimizer, watch, scaler
        self.schedule = schedule
        averaged = [name for name in weights if schedule.ema and name.startswith(schedule.ema_of)]
        self.ema = {name: weights[name].detach().clone() for name in averaged}
        self.kept: dict[str, Tensor] = {}
        self.best_step, self.best_score, self.waited = 0, -math.inf, 0
        self.flat, self.falls = 0, 0
        self.last: dict[str, Any] = {}
        self.seconds = 0.0
        self._ticked = time.monotonic()

    def tick(self) -> None:
        """Add the time since the last tick to the seconds spent."""
        now = time.monotonic()
        self.seconds, self._ticked = self.seconds + now - self._ticked, now

    def update_ema(self, step: int) -> None:
        """Move the running means towards the weights; early on they follow faster."""
        import torch

        if self.ema:
            power = self.schedule.ema_power
            early = 1 - (1 + step) ** -power if power else (1 + step) / (10 + step)
            decay = min(self.schedule.ema, early)
            now = [self.weights[name].detach() for name in self.ema]
            torch._foreach_lerp_(list(self.ema.values()), now, 1 - decay)

    def select(self, scores: dict[str, float], step: int) -> None:
        """Keep the weights, or their running means, if this validation is the best so far."""
        wanted = self.schedule.select
        if not wanted:
            return
        if wanted not in scores:
            raise FacetoryError(f"training: validation reports no '{wanted}', only {', '.join(scores)}.")
        self.waited, self.flat = self.waited + 1, self.flat + 1
        if scores[wanted] > self.best_score:
            self.best_step, self.best_score, self.waited, self.flat = step, scores[wanted], 0, 0
            self.kept = {name: tensor.detach().clone() for name, tensor in self._final().items()}
        if self.schedule.decay == "plateau" and self.flat > self.schedule.plateau_patience:
            self.flat, self.falls = 0, self.falls + 1

    def out_of_patience(self) -> bool:
        """Whether too many validations have passed without a new maximum."""
        return bool(self.schedule.patience) and self.waited >= self.schedule.patience

    def take_kept(self) -> None:
        """Put the selected weights, or the running means if there are any, in the weights' place."""
        for name, tensor in (self.kept or self.ema).items():
            target = self.weights[name].data if name in self.weights else self.buffers[name]
            target.copy_(tensor)

    def _final(self) -> dict[str, Tensor]:
        """What training would end with now: weights, running means in their place, and buffers."""
        weights: dict[str, Tensor] = {**self.weights, **self.ema, **self.buffers}
        return weights

    def save(self, folder: Path, key: str, step: int) -> None:
        """Write a checkpoint: weights/…, buffers/…, ema/…, kept/…, the optimiser's exp_avg/…; JSON."""
        self.watch.look()
        tensors: dict[str, Tensor] = {f"weights/{name}": weight for name, weight in self.weights.items()}
        tensors |= {f"buffers/{name}": buffer for name, buffer in self.buffers.items()}
        tensors |= {f"ema/{name}": mean for name, mean in self.ema.items()}
        tensors |= {f"kept/{name}": tensor for name, tensor in self.kept.items()}
        for name, weight in self.weights.items():
            slots = self.optimizer.state[weight]
            tensors |= {f"{slot}/{name}": value for slot, value in slots.items() if value is not None}
        tensors = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
        position = {
            "seconds": round(self.seconds, 3),
            "watch": self.watch.state(),
            "last": self.last,
            "selection": [self.best_step, self.best_score, self.waited] if self.kept else None,
            "plateau": [self.flat, self.falls],
            "scaler": self.scaler.state_dict() if self.scaler is not None else None,
        }
        checkpoints.save(folder, key, step, tensors, position)

    def restore(self, folder: Path, key: str, name: str) -> int:
        """Take up the newest checkpoint, if there is one; returns the number of steps done."""

        def say(text: str) -> None:
            print(f"{name}: {text}", file=sys.stderr, flush=True)

        saved = checkpoints.newest(folder, key, say)
        if saved is None:
            return 0
        step, tensors, position = saved
        for full_name, tensor in tensors.items():
            slot, _, weight_or_buffer = full_name.partition("/")
            self._put(slot, weight_or_buffer, tensor)
        self.watch.restore(position["watch"])
        self.seconds, self.last = position["seconds"], position["last"]
        if position.get("selection"):
            self.best_step, self.best_score, self.waited = position["selection"]
        self.flat, self.falls = position["plateau"]
        if self.scaler is not None:
            self.scaler.load_state_dict(position["scaler"])
        say(f"going on from step {step}")
        return step

    def _put(self, slot: str, name: str, tensor: Tensor) -> None:
        import torch

        if slot == "weights":
            self.weights[name].data.copy_(tensor)
        elif slot == "buffers":
            self.buffers[name].copy_(tensor)
        elif slot == "ema":
            self.ema[name].copy_(tensor)
        elif slot == "kept":
            like = self.weights[name] if name in self.weights else self.buffers[name]
            self.kept[name] = tensor.to(like.device)
        else:
            weight = self.weights[name]
            like_weight = torch.empty_like(weight).copy_(tensor) if tensor.ndim else tensor.to(weight.device)
            self.optimizer.state[weight][slot] = like_weight
