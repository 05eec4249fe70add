"""The one training loop, on accelerate, for every task of the four papers.

Killed at any moment and started again, it goes on from its last checkpoint and ends with the weights of an
undisturbed run, bit for bit on the CPU: batches, draws and learning rates are functions of seed and step.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from facetory.pipeline import randomness
from facetory.pipeline.files import FacetoryError
from facetory.training import checkpoints as store
from facetory.training import progress
from facetory.training.schedule import Schedule, batch_positions, learning_rate_factor, time_is_up
from facetory.training.watch import TrainingDiverged, Watch

__all__ = ["Schedule", "Task", "TrainingDiverged", "named_weights", "train"]

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


class Task(Protocol):
    """What a paper brings to the loop."""

    size: int
    """Number of training samples."""

    def modules(self) -> dict[str, nn.Module]:
        """Modules by name, already on the device; their parameters that require gradients are trained."""
        ...

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Groups for AdamW: {"params": […]}, with "lr" or "weight_decay" where the schedule's do not fit."""
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
    ``key``, the hash of the spec.  Returns {"steps", "seconds", "samples", "resumed_from", "last"}: ``last``
    is the last line of progress.  Raises `TrainingDiverged` on a non-finite or run-away loss.
    """
    import torch

    folder, checkpoints = Path(folder), Path(checkpoints)
    folder.mkdir(parents=True, exist_ok=True)
    if schedule.threads:
        torch.set_num_threads(schedule.threads)
    accelerator = _accelerator(schedule, device)
    modules = task.modules()
    weights = named_weights(modules)
    optimizer, inner = _optimizer(task, schedule, accelerator)
    for weight in weights.values():
        weight.grad = torch.zeros_like(weight)
    ema = {n: w.detach().clone() for n, w in weights.items()} if schedule.ema else {}

    say = lambda text: print(f"{name}: {text}", file=sys.stderr, flush=True)  # noqa: E731
    watch = Watch(schedule)
    start, seconds_before = 0, 0.0
    if saved := store.newest(checkpoints, key, say):
        start, tensors, position = saved
        _restore(tensors, weights, inner, ema)
        watch.restore(position["watch"])
        seconds_before = position["seconds"]
        if accelerator.scaler is not None and position["scaler"]:
            accelerator.scaler.load_state_dict(position["scaler"])
        say(f"going on from step {start} of {schedule.steps}")
    progress.truncate(folder / "progress.jsonl", start)

    began = time.monotonic()
    elapsed = lambda: seconds_before + time.monotonic() - began  # noqa: E731
    spent, step, last = elapsed(), start, {}
    for module in modules.values():
        module.train()
    with ExitStack() as stack:
        show = stack.enter_context(progress.shown(name, start, schedule.steps))
        write = stack.enter_context(progress.board(folder / "tensorboard" if tensorboard else None, start))
        while step < schedule.steps and not time_is_up(schedule, spent):
            factor = learning_rate_factor(schedule, step, spent)
            for group in optimizer.param_groups:
                group["lr"] = group["base_lr"] * factor
            torch.manual_seed(randomness.stream_key(schedule.seed, "torch", step) >> 1)
            positions = batch_positions(step, schedule.batch_size, task.size, schedule.seed)
            for part in np.split(positions, schedule.accumulation):
                with accelerator.accumulate(*modules.values()):
                    with accelerator.autocast():
                        loss, numbers = task.loss(part, step)
                    if loss.requires_grad:
                        accelerator.backward(loss)
                    if accelerator.sync_gradients and schedule.clip:
                        accelerator.clip_grad_norm_(list(weights.values()), schedule.clip)
                    optimizer.step()
                    optimizer.zero_grad(set_to_none=False)
                watch.note(step, {"loss": loss.detach(), **numbers})
            if ema:
                _update_ema(ema, weights, schedule.ema, step)
            step += 1

            logs = step % schedule.log_every == 0 or step == schedule.steps
            saves = step % schedule.checkpoint_every == 0 or step == schedule.steps
            if logs or saves:
                watch.look()
                spent = elapsed()
            if logs:
                means = watch.means()
                last = {"step": step, **means, "lr": schedule.lr * factor, "seconds": round(spent, 3)}
                progress.append(folder / "progress.jsonl", last)
                show(step, means)
                write(step, {**means, "lr": schedule.lr * factor})
            if schedule.validate_every and (step % schedule.validate_every == 0 or step == schedule.steps):
                scores = _validate(task, modules, step)
                progress.append(folder / "progress.jsonl", {"step": step, "validation": scores})
                write(step, {f"validation/{what}": value for what, value in scores.items()})
            if saves:
                position = {
                    "seconds": round(elapsed(), 3),
                    "watch": watch.state(),
                    "scaler": accelerator.scaler.state_dict() if accelerator.scaler is not None else None,
                }
                store.save(checkpoints, key, step, _tensors(weights, inner, ema), position)
    watch.look()
    with torch.no_grad():
        for weight_name, mean in ema.items():
            weights[weight_name].copy_(mean)
    for weight in weights.values():
        weight.grad = None
    return {
        "steps": step,
        "seconds": round(elapsed(), 3),
        "samples": step * schedule.batch_size,
        "resumed_from": start,
        "last": last,
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


def _optimizer(task: Task, schedule: Schedule, accelerator: Any) -> tuple[Any, torch.optim.AdamW]:
    import torch

    optimizer = torch.optim.AdamW(
        task.parameter_groups(),
        lr=schedule.lr,
        betas=schedule.betas,
        weight_decay=schedule.weight_decay,
        fused=True,
    )
    for group in optimizer.param_groups:
        group["base_lr"] = group["lr"]
    return accelerator.prepare(optimizer), optimizer


def _tensors(
    weights: dict[str, nn.Parameter], optimizer: torch.optim.AdamW, ema: dict[str, Tensor]
) -> dict[str, Tensor]:
    """All that training changes, by name: weights/…, ema/…, and the optimiser's state exp_avg/… and so on."""
    tensors: dict[str, Tensor] = {f"weights/{name}": weight for name, weight in weights.items()}
    tensors |= {f"ema/{name}": mean for name, mean in ema.items()}
    for name, weight in weights.items():
        tensors |= {f"{slot}/{name}": value for slot, value in optimizer.state[weight].items()}
    return {name: tensor.detach().contiguous() for name, tensor in tensors.items()}


def _restore(
    tensors: dict[str, Tensor],
    weights: dict[str, nn.Parameter],
    optimizer: torch.optim.AdamW,
    ema: dict[str, Tensor],
) -> None:
    """Put a checkpoint's tensors back; the spec's hash has matched, so the names do."""
    import torch

    by_name = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    with torch.no_grad():
        for full_name, tensor in tensors.items():
            slot, name = full_name.split("/", 1)
            if slot == "weights":
                weights[name].copy_(tensor)
            elif slot == "ema":
                ema[name].copy_(tensor)
            elif tensor.ndim:
                optimizer.state[weights[name]][slot] = by_name[name].clone().copy_(tensor)
            else:
                optimizer.state[weights[name]][slot] = tensor.to(weights[name].device)


def _update_ema(ema: dict[str, Tensor], weights: dict[str, nn.Parameter], decay: float, step: int) -> None:
    import torch

    decay = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        torch._foreach_lerp_(list(ema.values()), [w.detach() for w in weights.values()], 1 - decay)


def _validate(task: Task, modules: dict[str, nn.Module], step: int) -> dict[str, float]:
    import torch

    for module in modules.values():
        module.eval()
    with torch.no_grad():
        scores = task.validate(step)
    for module in modules.values():
        module.train()
    return scores
