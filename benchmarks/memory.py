"""Peak memory of every stage that fills a GPU, at the batch sizes of scale `paper`.

    python benchmarks/memory.py [--only WORD] [--output docs/benchmarks/memory.json]

With a GPU every stage runs there, with random weights, and CUDA's own count of allocated bytes is read.
Without one the peak is computed: the same code runs on tensors that hold no data (see memory_tracker.py), for
attention that is fused, as it is on a GPU.  A stage that the GPU cannot hold is computed as well, and every
row says which of the two it is.

A stage "fits" a GPU if its peak leaves a tenth of the memory to what is not counted: workspaces of cuDNN,
cuBLAS and attention's backward pass, fragmentation, the CUDA context.  Where one does not fit, the largest
batch that does is searched among the powers of two; `accumulation` then trains with equal results in parts.
1 GB is 2³⁰ bytes here, as GPUs are sold.
"""

from __future__ import annotations

import argparse
import gc
import time
import warnings
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from facetory.pipeline.files import write_json
from facetory.pipeline.provenance import git_commit, library_versions
from facetory.training.device import device_name
from memory_adaptdiff import of_adaptdiff
from memory_affectdiff import of_affectdiff
from memory_comparators import of_comparators
from memory_emodc import of_emodc
from memory_smc import of_smc
from memory_stage import Stage
from memory_tracker import Peak, computed, measured
from rich.console import Console
from rich.table import Table

OUTPUT = Path(__file__).parents[1] / "docs" / "benchmarks" / "memory.json"
GB = 2**30
GPUS = (24, 48, 80)
ROOM = 0.9
"""Share of a GPU's memory that a stage may take."""
NOTE = (
    "GB = 2^30 bytes. Computed peaks count every tensor in blocks of 512 bytes, attention fused, autocast by "
    "CUDA's rules; workspaces inside kernels, fragmentation and the CUDA context are not in them."
)


def main() -> None:
    """Compute or measure, print a table and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="stages whose paper and name contain this")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    on_gpu = torch.cuda.is_available()
    rows = [row(s, on_gpu) for s in stages() if options.only in f"{s.paper} {s.name}"]
    about = {
        "gpu": device_name("cuda") if on_gpu else None,
        "note": NOTE,
        "room": ROOM,
        "stages": rows,
        "versions": library_versions(),
        "git_commit": git_commit(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }
    write_json(options.output, about)
    show(about)


def stages() -> list[Stage]:
    """All stages, in the order of the papers."""
    return [*of_emodc(), *of_comparators(), *of_smc(), *of_affectdiff(), *of_adaptdiff()]


def row(stage: Stage, on_gpu: bool) -> dict[str, Any]:
    """What is known of a stage."""
    peak_at = cache(partial(peak, stage, on_gpu))
    found, how = peak_at(stage.batch)
    return {
        "stage": stage.name,
        "paper": stage.paper,
        "model": stage.model,
        "parameters": found.parameters,
        "precision": stage.precision,
        "batch": stage.batch,
        "px": stage.px,
        "peak_gb": round(found.bytes / GB, 2),
        "breakdown": {kind: round(size / GB, 3) for kind, size in found.kinds.items()},
        "how": how,
        "device": device_name("cuda") if how == "measured" else "a GPU, as torch would use one",
        "scope": stage.scope,
        "largest_batch": {str(gb): largest_batch(stage.batch, peak_at, gb) for gb in GPUS},
    }


def peak(stage: Stage, on_gpu: bool, batch: int) -> tuple[Peak, str]:
    """The peak at a batch size, and whether it is "measured" or "computed"."""
    make = partial(stage.make, batch)
    if on_gpu:
        try:
            return measured(make), "measured"
        except torch.cuda.OutOfMemoryError:
            pass
        finally:
            gc.collect()
            torch.cuda.empty_cache()
    return computed(make), "computed"


def largest_batch(batch: int, peak_at: Any, gb: int) -> int:
    """The stage's own batch where that fits ``gb``, else the largest power of two that does; 0: none."""
    while batch and peak_at(batch)[0].bytes > ROOM * gb * GB:
        batch = 2 ** ((batch - 1).bit_length() - 1) if batch > 1 else 0
    return batch


def fits_on(found: dict[str, Any]) -> str:
    """The smallest GPU that a stage fits, as a word."""
    fitting = (gb for gb in GPUS if found["largest_batch"][str(gb)] == found["batch"])
    return f"{size} GB" if (size := next(fitting, None)) else "none of them"


def show(about: dict[str, Any]) -> None:
    """Print the stages."""
    table = Table("", "stage", "batch", "precision", "GB", "fits", "how", title=about["gpu"] or "computed")
    for found in about["stages"]:
        numbers = (str(found["batch"]), found["precision"], f"{found['peak_gb']:.1f}")
        table.add_row(found["paper"], found["stage"], *numbers, fits_on(found), found["how"])
    Console().print(table)


if __name__ == "__main__":
    main()
