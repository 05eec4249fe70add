"""Operations of every network that a plan may name: one row forward, and forward and back as in training.

    python benchmarks/flops.py [--only WORD] [--output workflow/facetory/cli/counted.json]

The networks are built by the stages' own code on tensors that hold no data, and torch counts the operations
of convolutions, matrix products and attention (two for each multiply-accumulate); nothing is measured, so
any machine gives the same numbers.  `facetory plan` multiplies them by the rows that each job asks for.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from facetory.cli.jobs import jobs_of
from facetory.cli.sizes import KnownSizes
from facetory.cli.study import load_study
from facetory.cli.work_of import work_of
from facetory.pipeline.files import read_json, write_json
from facetory.pipeline.work import SizeUnknown
from flops_networks import NETWORKS, Made
from memory_tracker import as_on_cuda
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

OUTPUT = Path(__file__).parents[1] / "workflow" / "facetory" / "cli" / "counted.json"
SCALES = ("paper", "demo", "fer2013")
UNTRAINED = ("encode", "embedder", "features")
"""Networks that nothing trains, and nobody differentiates through."""


class Counted(NamedTuple):
    """Operations of a row and elements that come out; parameters of its network, and those that it learns."""

    forward: int
    training: int | None
    out: int
    parameters: int
    trained: int


def main() -> None:
    """Count, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", default="", help="networks whose name contains this; others stay as they are"
    )
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    found: dict[str, Any] = read_json(options.output) if options.output.exists() else {}
    asked = asked_for()
    kept = {name: found[name] for name in found.keys() & asked.keys()}
    for name, spec in asked.items():
        if options.only in name:
            kept[name] = counted(name, spec)._asdict()
            print(f"{name}: {kept[name]}", flush=True)
    write_json(options.output, dict(sorted(kept.items())))


def asked_for(scales: tuple[str, ...] = SCALES) -> dict[str, Any]:
    """The networks that the scales' plans name, each with a spec of a job that uses it."""
    found: dict[str, Any] = {}
    for scale in scales:
        study = load_study({"scale": scale}, ideal=True)
        sizes = KnownSizes(study, Path("nowhere"))
        for job in jobs_of(study, "all").values():
            try:
                work = work_of(job, study, sizes, lambda name: 1.0) or {}
            except SizeUnknown:
                continue
            for name, how in work:
                if name not in found or how == "training":
                    found[name] = job.spec
    return found


def counted(name: str, spec: Any) -> Counted:
    """A network's operations and parameters; ``spec`` is that of a job that uses it."""
    kind, *about = name.split("/")
    with as_on_cuda(), sdpa_kernel(SDPBackend.MATH):
        made = NETWORKS[kind](about, spec)
        forward = operations(made.call, torch.no_grad()) // made.rows
        with torch.no_grad():
            found = made.call()
        training = None if kind in UNTRAINED else trained(made)
    out = np.size(found) if isinstance(found, np.ndarray) else found.numel()
    weights = list(made.network.parameters())
    learnt = sum(weight.numel() for weight in weights if weight.requires_grad)
    return Counted(forward, training, out // made.rows, sum(weight.numel() for weight in weights), learnt)


def trained(made: Made) -> int:
    """Operations of a row forward and back."""
    if made.step:
        return operations(made.step) // made.batch
    made.network.train()
    return operations(lambda: made.call().float().sum().backward()) // made.rows


def operations(run: Callable[[], Any], context: Any = None) -> int:
    """Operations of a piece of work, as torch counts them."""
    with context or torch.enable_grad(), FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


if __name__ == "__main__":
    main()
