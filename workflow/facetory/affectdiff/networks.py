"""Building a recognizer with weights that only its seed and their names decide, and loading a trained one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from facetory.affectdiff.normalisation import Normalisation
from facetory.affectdiff.spec import BaselineSpec, ModelSpec, RecognizerSpec
from facetory.data.mosei.spec import MODALITIES
from facetory.pipeline.files import FacetoryError, open_tensors, read_metadata
from facetory.pipeline.randomness import stream_key

WEIGHTS = "weights.safetensors"


def build(spec: RecognizerSpec) -> nn.Module:
    """Affect-Diff or a baseline with initial weights, on the CPU.

    Each part of Affect-Diff (its top-level modules) draws from a generator keyed by (seed, its name), so that
    a model with a prior starts from the weights of the same model without one.
    """
    with torch.random.fork_rng(devices=[]):
        if isinstance(spec.model, BaselineSpec):
            from facetory.affectdiff.baselines import build_baseline

            _seed(spec.seed, spec.model.network)
            return build_baseline(spec.model)
        return _affect_diff(spec.model, spec.seed)


def _affect_diff(spec: ModelSpec, seed: int) -> nn.Module:
    """The model, built once more for each of its parts, which is taken from there.

    In that building every part starts from the seed that belongs to the one's name, so the parts before it
    shift nothing.
    """
    from facetory.affectdiff.model import AffectDiff

    _seed(seed, "rest")
    model = AffectDiff(spec)
    for name, part in model.named_children():
        with _every_part_seeded(AffectDiff, seed, name):
            part.load_state_dict(getattr(AffectDiff(spec), name).state_dict())
    return model


@contextmanager
def _every_part_seeded(kind: type[nn.Module], seed: int, name: str) -> Iterator[None]:
    def seed_the_next(module: nn.Module, *_: Any) -> None:
        if isinstance(module, kind):
            _seed(seed, name)

    _seed(seed, name)
    handle = nn.modules.module.register_module_module_registration_hook(seed_the_next)
    try:
        yield
    finally:
        handle.remove()


def _seed(seed: int, name: str) -> None:
    torch.manual_seed(stream_key(seed, "init", name) >> 1)


def load_recognizer(
    folder: Path | str, device: str = "cpu"
) -> tuple[nn.Module, RecognizerSpec, Normalisation]:
    """A trained recognizer in evaluation mode on the device, its spec, and its normalisation of features."""
    path = Path(folder) / WEIGHTS
    about = read_metadata(path)
    if "spec" not in about:
        raise FacetoryError(f"{path}: no weights of a recognizer. Train one, or name its folder.")
    spec = RecognizerSpec.model_validate(about["spec"])
    with open_tensors(path, "pt") as handle:
        tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    normalisation: Normalisation = {
        modality: (
            tensors.pop(f"normalisation.{modality}.mean"),
            tensors.pop(f"normalisation.{modality}.std"),
        )
        for modality in MODALITIES
    }
    module = build(spec)
    module.load_state_dict(tensors)
    return module.to(device).eval(), spec, normalisation
