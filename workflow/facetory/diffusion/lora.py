"""Low-rank adapters on a backbone (Hu et al. 2022), by peft."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facetory.pipeline.files import FacetoryError, open_tensors, read_metadata, write_tensors

if TYPE_CHECKING:
    from torch import Tensor, nn

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")


def inject(
    module: nn.Module, rank: int, alpha: int, targets: Sequence[str] = ATTENTION, seed: int = 0
) -> dict[str, nn.Parameter]:
    """Freeze a module, put adapters into it in place, and return its trainable parameters by name.

    ``targets`` are suffixes of module names: linear ("to_q") or convolutional ("conv1") ones.  W becomes
    W + (alpha / rank) B A with B = 0 at the start and A drawn from the named stream (seed, "lora").  The
    adapters are float32 whatever the module's precision.  A target that matches nothing is a `FacetoryError`.
    """
    import torch
    from peft import LoraConfig, inject_adapter_in_model

    from facetory.pipeline.randomness import generator

    names = [name for name, _ in module.named_modules()]
    for target in targets:
        if not any(name == target or name.endswith("." + target) for name in names):
            raise FacetoryError(
                f"lora_targets: no module of {type(module).__name__} is called {target!r}. Name linear or "
                f"convolutional modules by the end of their names, such as {', '.join(ATTENTION)}."
            )
    module.requires_grad_(False)
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(targets)), module)
    trainable = {name: weight for name, weight in module.named_parameters() if weight.requires_grad}
    with torch.no_grad():
        for name, weight in trainable.items():
            weight.data = weight.data.float()
            if "lora_A" in name:  # U(-1/√fan_in, 1/√fan_in), the default of torch.nn.Linear
                bound = weight[0].numel() ** -0.5
                draws = generator(seed, "lora", name).uniform(-bound, bound, tuple(weight.shape))
                weight.copy_(torch.from_numpy(draws))
    return trainable


def trainable_parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters of a module that training changes, by name."""
    return {name: weight for name, weight in module.named_parameters() if weight.requires_grad}


def save(path: Path | str, weights: dict[str, Tensor], rank: int, alpha: int, targets: Sequence[str]) -> None:
    """Write an adapter's tensors by name as safetensors, with rank, alpha and targets as metadata."""
    tensors = {name: weight.detach().cpu().contiguous() for name, weight in weights.items()}
    write_tensors(path, tensors, {"rank": rank, "alpha": alpha, "targets": list(targets)})


def load(module: nn.Module, path: Path | str, merge: bool = False) -> None:
    """Put a saved adapter into a plain backbone, in place; ``merge`` folds it into the weights (inference).

    A file whose names or shapes do not fit the backbone is a `FacetoryError`.
    """
    import torch

    about = read_metadata(path)
    weights = inject(module, about["rank"], about["alpha"], about["targets"])
    with open_tensors(path, "pt") as handle, torch.no_grad():
        stored = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
        if {n: tuple(t.shape) for n, t in stored.items()} != {n: tuple(w.shape) for n, w in weights.items()}:
            raise FacetoryError(
                f"{path}: the adapter's tensors do not fit this {type(module).__name__}. It was trained on "
                "another backbone; name the one in the run's manifest."
            )
        for name, weight in weights.items():
            weight.copy_(stored[name])
    if merge:
        fold(module)


def fold(module: nn.Module) -> None:
    """Fold all adapters into the weights they adapt and take them out, in place."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, layer in list(module.named_modules()):
        if isinstance(layer, BaseTunerLayer):
            layer.merge()
            parent = module.get_submodule(name.rpartition(".")[0])
            setattr(parent, name.rpartition(".")[2], layer.get_base_layer())
