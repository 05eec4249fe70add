"""Milliseconds of a forward pass (Table VI): every model on random inputs of the right shape, in turn."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from facetory.affectdiff.networks import load_recognizer
from facetory.affectdiff.spec import LatencySpec
from facetory.pipeline.files import FacetoryError, read_json
from facetory.pipeline.provenance import manifest
from facetory.pipeline.randomness import stream_key
from facetory.training.device import device_name

if TYPE_CHECKING:
    from torch import nn

    from facetory.affectdiff.spec import RecognizerSpec

WARM_UP = 3
Pass = Callable[[], object]


def time_recognizers(
    spec: LatencySpec, recognizers: Mapping[str, Path | str], folder: Path | str, device: str = "cpu"
) -> None:
    """Time recognizers, by id the folders of spec.models: manifest.json in ``folder``.

    Its ``latencies`` maps ids and batch sizes to `summary`, ``parameters`` ids to the models' counts, and
    ``failed`` the ids of those whose training failed to the reason.  Table VI's figures are for a batch of 64
    and a mean of ten passes; these are medians.  It is to run alone on the machine: ``load_average``, before
    and after, tells whether it did.
    """
    if missing := [model.id for model in spec.models if model.id not in recognizers]:
        raise FacetoryError(f"latency: no folder for {', '.join(missing)}. Train them first.")
    folders = {model.id: Path(recognizers[model.id]) for model in spec.models}
    manifests = [path / "manifest.json" for path in folders.values()]
    result = Path(folder) / "manifest.json"
    result.unlink(missing_ok=True)
    with manifest(
        result, "affectdiff time", spec.canonical(), ["affectdiff.latency"], manifests, device
    ) as record:
        torch.set_num_threads(spec.threads)
        before = os.getloadavg()
        latencies: dict[str, dict[str, Any]] = {}
        parameters, failed = {}, {}
        passes: dict[tuple[str, int], Pass] = {}
        for name, path in folders.items():
            trained = read_json(path / "manifest.json")
            if trained["status"] != "trained":
                failed[name] = trained["reason"]
                continue
            model, train, _ = load_recognizer(path, device)
            passes |= {(name, size): forward(model.eval(), train, size, device) for size in spec.batch_sizes}
            parameters[name] = trained["parameters"]
        for (name, size), times in interleaved(passes, spec.repeats).items():
            latencies.setdefault(name, {})[str(size)] = summary(times)
        record |= {
            "status": "timed",
            "device_name": device_name(device),
            "threads": torch.get_num_threads(),
            "load_average": {"before": before, "after": os.getloadavg()},
            "latencies": latencies,
            "parameters": parameters,
            "failed": failed,
        }


def forward(model: nn.Module, spec: RecognizerSpec, size: int, device: str) -> Pass:
    """A forward pass of ``size`` random segments whose every row was measured, until its logits are there."""
    random = torch.Generator().manual_seed(stream_key(0, "affectdiff", "latency") >> 1)
    length = spec.model.length
    streams = tuple(torch.randn(size, length, dim, generator=random).to(device) for dim in spec.model.dims)
    mask = torch.ones(size, len(streams), length, dtype=torch.bool, device=device)

    @torch.inference_mode()
    def one_pass() -> object:
        return model(streams, mask).cpu()

    return one_pass


def interleaved(passes: Mapping[tuple[str, int], Pass], repeats: int) -> dict[tuple[str, int], list[float]]:
    """Milliseconds of each pass, ``repeats`` times in turn with the others after a warm-up."""
    for one_pass in passes.values():
        for _ in range(WARM_UP):
            one_pass()
    times: dict[tuple[str, int], list[float]] = {which: [] for which in passes}
    for _ in range(repeats):
        for which, one_pass in passes.items():
            began = time.perf_counter()
            one_pass()
            times[which].append(1000 * (time.perf_counter() - began))
    return times


def summary(times: list[float]) -> dict[str, Any]:
    """Median, least and quartiles of some times."""
    low, median, high = np.quantile(times, [0.25, 0.5, 0.75])
    return {
        "median_ms": float(median),
        "least_ms": min(times),
        "quartiles_ms": [float(low), float(high)],
        "repeats": len(times),
    }
