"""The one training loop, on accelerate, for every task of the four papers.

Killed at any moment and started again, it goes on from its last checkpoint and ends with the weights of an
undisturbed run, bit for bit on the CPU: batches, draws and learning rates are functions of seed and step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from facetory.pipeline import randomness
from facetory.pipeline.files import FacetoryError
from facetory.training import progress
from facetory.training.device import device_name
from facetory.training.schedule import Schedule, batch_positions, learning_rate_factor, time_is_up
from facetory.training.state import State
from facetory.training.watch import TrainingDiverged, Watch

__all__ = ["Schedule", "Task", "TrainingDiverged", "named_buffers", "named_weights", "train"]

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


class Task(Protocol):
    """What a paper brings to the loop."""

    size: int
    """Number of training samples."""

    def modules(self) -> dict[str, nn.Module]:
        """Modules by name, already on the device; their parameters that require gradients are trained.

        Checkpoints hold those and the modules' buffers.
        """
        ...

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Groups for the optimiser: {"params": […]}, with "lr" or "weight_decay" of their own where needed.

        Gradients are clipped by their norm over all weights, or over the groups of each "clip_group".
        """
        ...

    def loss(self, positions: np.ndarray, step: int) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Scalar mean loss over the samples at these positions (int64) and numbers to report.

        Numbers may stay tensors on the device, so that no step waits for the GPU.
        """
        ...

    def validate(self, step: int) -> dict[str, float]:
        """Numbers on held-out samples; called every ``validate_every`` steps."""
        ...


def train(
    task: Task,
    schedule: Schedule,
    folder: Path | str,
    checkpoints: Path | str,
    *,
    key: str,
    name: str = "training",
    device: str | None = None,
    tensorboard: bool = False,
) -> dict[str, Any]:
    """Train a task to the end of its schedule; the modules hold the result.

    ``folder`` receives progress.jsonl (and tensorboard/), ``checkpoints`` the checkpoints, which are bound to
    ``key``, the hash of the spec.  Returns {"steps", "samples", "seconds", "resumed_from",
    "device_name", "last"}: ``last`` is the last line of progress; with a schedule that selects, "best_step"
    and "best" too: the step whose weights were kept, and its number.  A non-finite or run-away loss leaves a
    last line and raises `TrainingDiverged`.
    """
    import torch

    folder, checkpoints = Path(folder), Path(checkpoints)
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "progress.jsonl"
    if schedule.threads:
        torch.set_num_threads(schedule.threads)
    accelerator = _accelerator(schedule, device)
    modules = task.modules()
    weights, buffers = named_weights(modules), named_buffers(modules)
    optimizer, inner = _optimizer(task, schedule, accelerator)
    state = State(weights, buffers, inner, Watch(schedule), schedule, accelerator.scaler)
    start = step = state.restore(checkpoints, key, name)
    progress.truncate(log, start)
    for weight in weights.values():
        weight.grad = torch.zeros_like(weight)
    for module in modules.values():
        module.train()

    with (
        progress.shown(name, start, schedule.steps) as show,
        progress.board(folder / "tensorboard" if tensorboard else None, start) as write,
        _divergence_logged(log),
    ):
        ended = step >= schedule.steps or time_is_up(schedule, state.seconds) or state.out_of_patience()
        while not ended:
            factor = learning_rate_factor(schedule, step, state.seconds, state.falls)
            for group in optimizer.param_groups:
                group["lr"] = group["base_lr"] * factor
            torch.manual_seed(randomness.stream_key(schedule.seed, "torch", step) >> 1)
            positions = batch_positions(step, schedule.batch_size, task.size, schedule.seed)
            for part in np.split(positions, schedule.accumulation):
                with accelerator.accumulate(*modules.values()):
                    with accelerator.autocast():
                        loss, numbers = task.loss(part, step)
                    state.watch.note(step, {"loss": loss.detach(), **numbers})
                    accelerator.backward(loss if loss.requires_grad else _with_gradient_zero(loss, weights))
                    if accelerator.sync_gradients and schedule.clip:
                        _clip(optimizer, schedule.clip, accelerator)
                    optimizer.step()
                    optimizer.zero_grad(set_to_none=False)
            state.update_ema(step)
            step += 1

            if step % schedule.log_every == 0 or step == schedule.steps:
                means = state.watch.means()
                state.tick()
                state.last = {"step": step, **means, "lr": schedule.lr * factor}
                progress.append(log, state.last | {"seconds": round(state.seconds, 3)})
                show(step, means)
                write(step, {**means, "lr": schedule.lr * factor})
            ended = step == schedule.steps or time_is_up(schedule, state.seconds)
            if schedule.validate_every and (step % schedule.validate_every == 0 or ended):
                scores = _validate(task, modules, step)
                state.select(scores, step)
                ended = ended or state.out_of_patience()
                progress.append(log, {"step": step, "validation": scores})
                write(step, {f"validation/{what}": value for what, value in scores.items()})
            if step % schedule.checkpoint_every == 0 or ended:
                state.tick()
                state.save(checkpoints, key, step)
    state.take_kept()
    for weight in weights.values():
        weight.grad = None
    return {
        "steps": step,
        "samples": step * schedule.batch_size,
        "seconds": round(state.seconds, 3),
        "resumed_from": start,
        "device_name": device_name(accelerator.device.type),
        "last": state.last,
        **({"best_step": state.best_step, "best": state.best_score} if schedule.select else {}),
    }


def named_weights(modules: dict[str, nn.Module]) -> dict[str, nn.Parameter]:
    """The trained parameters of a task's modules as "module.parameter" → parameter, each once."""
    found: dict[str, nn.Parameter] = {}
    seen: set[int] = set()
    for module_name, module in modules.items():
        for name, weight in module.named_parameters():
            if weight.requires_grad and id(weight) not in seen:
                seen.add(id(weight))
                found[f"{module_name}.{name}"] = weight
    return found


def named_buffers(modules: dict[str, nn.Module]) -> dict[str, Tensor]:
    """What modules change by themselves, such as the statistics of batch normalisation: "module.buffer"."""
    return {
        f"{module_name}.{name}": buffer
        for module_name, module in modules.items()
        for name, buffer in module.named_buffers()
    }


@contextmanager
def _divergence_logged(log: Path) -> Iterator[None]:
    try:
        yield
    except TrainingDiverged as error:
        progress.append(log, error.last)
        raise


def _accelerator(schedule: Schedule, device: str | None) -> Any:
    import torch
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, GradientState

    on_gpu = torch.cuda.is_available() if device is None else device.startswith("cuda")
    if schedule.precision == "fp16" and not on_gpu:
        raise FacetoryError("precision 'fp16' needs a GPU. Use 'no' or 'bf16' on this machine.")
    if on_gpu and schedule.precision != "no":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    return Accelerator(
        cpu=not on_gpu,
        mixed_precision=schedule.precision,
        gradient_accumulation_steps=schedule.accumulation,
    )


def _optimizer(task: Task, schedule: Schedule, accelerator: Any) -> tuple[Any, torch.optim.Optimizer]:
    import torch

    common: dict[str, Any] = {"lr": schedule.lr, "weight_decay": schedule.weight_decay, "fused": True}
    optimizer: torch.optim.Optimizer = (
        torch.optim.AdamW(task.parameter_groups(), betas=schedule.betas, **common)
        if schedule.optimizer == "adamw"
        else torch.optim.SGD(task.parameter_groups(), momentum=schedule.momentum, **common)
    )
    for group in optimizer.param_groups:
        group["base_lr"] = group["lr"]
    return accelerator.prepare(optimizer), optimizer


def _clip(optimizer: Any, limit: float, accelerator: Any) -> None:
    """Scale gradients down to a norm of ``limit``, each clip group by itself."""
    import torch

    accelerator.unscale_gradients()
    groups: dict[str, list[nn.Parameter]] = {}
    for group in optimizer.param_groups:
        groups.setdefault(group.get("clip_group", ""), []).extend(group["params"])
    for weights in groups.values():
        torch.nn.utils.clip_grad_norm_(weights, limit)


def _with_gradient_zero(loss: Tensor, weights: dict[str, nn.Parameter]) -> Tensor:
    """A loss that no weight entered (no active sample), tied to them all the same."""
    return loss + 0 * next(iter(weights.values())).sum()


def _validate(task: Task, modules: dict[str, nn.Module], step: int) -> dict[str, float]:
    import torch

    for module in modules.values():
        module.eval()
    with torch.no_grad():
        scores = task.validate(step)
    for module in modules.values():
        module.train()
    return scores
