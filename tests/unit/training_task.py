"""A small regression task for the tests of the loop; as a script, it trains in a killable process."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch
from facetory.pipeline import randomness
from facetory.pipeline.files import write_tensors
from facetory.training.loop import Schedule, named_weights, train


class Regression:
    """Fit y = sin(3 x) with a small network that has dropout and input noise keyed by sample and step."""

    size = 37

    def __init__(self, spoil_at: int | None = None, scale: float = 1.0, pause: float = 0.0):
        torch.manual_seed(0)
        self.network = torch.nn.Sequential(
            torch.nn.Linear(1, 32), torch.nn.Tanh(), torch.nn.Dropout(0.1), torch.nn.Linear(32, 1)
        )
        self.x = torch.linspace(-1, 1, self.size)[:, None]
        self.y = torch.sin(3 * self.x)
        self.keys = torch.arange(self.size)
        self.spoil_at, self.scale, self.pause = spoil_at, scale, pause
        self.seen: list[tuple[int, list[int]]] = []

    def modules(self):
        return {"network": self.network}

    def parameter_groups(self):
        return [{"params": list(self.network.parameters())}]

    def loss(self, positions, step):
        time.sleep(self.pause)
        self.seen.append((step, positions.tolist()))
        rows = torch.from_numpy(positions)
        noise = randomness.normal(randomness.stream_key(0, "noise"), self.keys[rows], step, 1)
        error = (self.network(self.x[rows] + 0.01 * noise) - self.y[rows]).square()
        loss = error.mean() * self.scale ** max(step - 60, 0)
        if step == self.spoil_at:
            loss = loss * float("nan")
        return loss, {"largest": error.detach().max(), "rows": len(rows)}

    def validate(self, step):
        return {"error": float((self.network(self.x) - self.y).square().mean())}


def run(folder: Path, schedule: Schedule, task: Regression | None = None, key: str = "abc") -> Regression:
    """Train into ``folder`` and write the final weights."""
    task = task or Regression()
    train(task, schedule, folder / "run", folder / "checkpoints", key=key, device="cpu")
    weights = {name: weight.detach() for name, weight in named_weights(task.modules()).items()}
    write_tensors(folder / "weights.safetensors", weights)
    return task


KILLED = Schedule(
    steps=300, batch_size=8, lr=1e-2, accumulation=2, warmup=10, decay="cosine", ema=0.99,
    checkpoint_every=35, log_every=10, validate_every=50, threads=1, seed=3,
)  # fmt: skip

if __name__ == "__main__":
    run(Path(sys.argv[1]), KILLED, Regression(pause=0.003))
