"""All that changes while a task is trained: what a checkpoint has to hold."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetory.training import checkpoints
from facetory.training.watch import Watch

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import AdamW


class State:
    """Weights, buffers, optimiser, running mean of the weights, watch, scaler, last line, seconds."""

    def __init__(
        self,
        weights: dict[str, nn.Parameter],
        buffers: dict[str, Tensor],
        optimizer: AdamW,
        watch: Watch,
        with_ema: bool,
        scaler: Any,
    ) -> None:
        self.weights, self.buffers = weights, buffers
        self.optimizer, self.watch, self.scaler = optimizer, watch, scaler
        self.ema = {name: weight.detach().clone() for name, weight in weights.items()} if with_ema else {}
        self.last: dict[str, Any] = {}
        self.seconds = 0.0
        self._ticked = time.monotonic()

    def tick(self) -> None:
        """Add the time since the last tick to the seconds spent."""
        now = time.monotonic()
        self.seconds, self._ticked = self.seconds + now - self._ticked, now

    def update_ema(self, decay: float, step: int) -> None:
        """Move the running means towards the weights; early on they follow faster."""
        import torch

        if self.ema:
            decay = min(decay, (1 + step) / (10 + step))
            now = [weight.detach() for weight in self.weights.values()]
            torch._foreach_lerp_(list(self.ema.values()), now, 1 - decay)

    def take_ema(self) -> None:
        """Put the running means, if there are any, in the weights' place."""
        for name, mean in self.ema.items():
            self.weights[name].data.copy_(mean)

    def save(self, folder: Path, key: str, step: int) -> None:
        """Write a checkpoint: weights/…, buffers/…, ema/… and the optimiser's exp_avg/… by name; JSON."""
        self.watch.look()
        tensors: dict[str, Tensor] = {f"weights/{name}": weight for name, weight in self.weights.items()}
        tensors |= {f"buffers/{name}": buffer for name, buffer in self.buffers.items()}
        tensors |= {f"ema/{name}": mean for name, mean in self.ema.items()}
        for name, weight in self.weights.items():
            tensors |= {f"{slot}/{name}": value for slot, value in self.optimizer.state[weight].items()}
        tensors = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
        position = {
            "seconds": round(self.seconds, 3),
            "watch": self.watch.state(),
            "last": self.last,
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
        else:
            weight = self.weights[name]
            like_weight = torch.empty_like(weight).copy_(tensor) if tensor.ndim else tensor.to(weight.device)
            self.optimizer.state[weight][slot] = like_weight
