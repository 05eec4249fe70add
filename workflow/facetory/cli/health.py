"""What `facetory doctor` looks at: one function a subject, from the machine to a finding."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from facetory.cli.study import WholeStudy
from facetory.pipeline.config import Settings
from facetory.pipeline.provenance import git_commit

Verdict = Literal["ok", "warn", "fail"]
OLDEST = (3, 11)
CORES, GB_OF_MEMORY = 2, 6
"""What the demo was made for."""
GB = 10**9
PIN = re.compile(r"([A-Za-z0-9_.-]+)==(\S+)")
NVIDIA = "name,driver_version,memory.total,compute_cap"
BF16 = 8.0
"""Compute capability from which a GPU multiplies in bfloat16."""


class Finding(NamedTuple):
    """What was looked at, the verdict, what was found, and what to do about it."""

    what: str
    verdict: Verdict
    found: str
    remedy: str = ""


def python(version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """The interpreter."""
    shown = ".".join(map(str, version))
    if version >= OLDEST:
        return Finding("Python", "ok", shown)
    return Finding("Python", "fail", shown, "Install Python 3.11 or newer and run `make` again.")


def packages(constraints: Path) -> Iterator[Finding]:
    """The installed packages against the pins of constraints.txt; what is not installed is told apart."""
    if not constraints.is_file():
        yield Finding("packages", "warn", f"{constraints} is missing", "Run this in the project's folder.")
        return
    pins = [PIN.match(line) for line in constraints.read_text(encoding="utf-8").splitlines()]
    apart, absent = [], []
    for pin in filter(None, pins):
        found = installed(pin[1])
        if found is None:
            absent.append(pin[1])
        elif found.partition("+")[0] != pin[2].partition("+")[0]:
            apart.append(f"{pin[1]} {found} (pinned {pin[2]})")
    total = sum(pin is not None for pin in pins)
    verdict: Verdict = "warn" if apart or absent else "ok"
    parts = [f"{total - len(apart) - len(absent)} of {total} as pinned"]
    parts += [f"others: {', '.join(apart)}"] if apart else []
    parts += [f"not installed: {', '.join(absent)}"] if absent else []
    yield Finding(
        "packages", verdict, "; ".join(parts), "Run `make` to install the pins." * (verdict != "ok")
    )


def installed(name: str) -> str | None:
    """The version of an installed package, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def torch() -> Iterator[Finding]:
    """Torch and the CUDA that it was built for."""
    try:
        import torch
    except ImportError as error:
        yield Finding("torch", "fail", f"cannot be imported ({error})", "Run `make` to install it.")
        return
    built = f"CUDA {torch.version.cuda}" if torch.version.cuda else "the CPU alone"
    yield Finding("torch", "ok", f"{torch.__version__}, built for {built}")


def git() -> Finding:
    """The commit that manifests name."""
    commit = git_commit()
    if commit is None:
        found = "no repository, or no git"
        return Finding("git", "warn", found, "Clone the project: manifests then name the code's commit.")
    if commit.endswith("+changes"):
        return Finding("git", "warn", commit, "Commit the changes, so that a manifest's commit is the code.")
    return Finding("git", "ok", commit)


def gpus(settings: Settings) -> Iterator[Finding]:
    """GPUs by name, driver and memory, and whether torch sees them; a scale made for them fails without."""
    wanted, allowed = settings.scale.device == "cuda", settings.config.allow_cpu
    listed = nvidia()
    if not listed:
        verdict: Verdict = "ok" if not wanted else "warn" if allowed else "fail"
        remedy = "" if not wanted else "Use a machine with a GPU, choose scale demo, or set allow_cpu: true."
        yield Finding(
            "GPU", verdict, f"none; scale {settings.config.scale} is for {_device(settings)}", remedy
        )
        return
    for name, driver, memory, capability in listed:
        half = "bfloat16" if float(capability) >= BF16 else "no bfloat16"
        verdict = "ok" if half == "bfloat16" or not wanted else "warn"
        remedy = "" if verdict == "ok" else "Set precision: fp16 in the scale; bf16 is emulated on this GPU."
        yield Finding("GPU", verdict, f"{name}, {memory}, driver {driver}, {half}", remedy)
    import torch

    if not torch.cuda.is_available():
        remedy = "Install torch's CUDA build, or a driver that is new enough for it."
        yield Finding("GPU", "fail" if wanted else "warn", "torch cannot use it", remedy)


def _device(settings: Settings) -> str:
    return {"cuda": "GPUs", "any": "either", "cpu": "the CPU"}[settings.scale.device]


def nvidia() -> list[list[str]]:
    """Name, driver, memory and compute capability of each GPU, as nvidia-smi tells."""
    line = ["nvidia-smi", f"--query-gpu={NVIDIA}", "--format=csv,noheader"]
    try:
        found = subprocess.run(line, capture_output=True, text=True, timeout=20, check=True)
    except (FileNotFoundError, subprocess.SubprocessError):
        return []
    rows = ([part.strip() for part in row.split(",")] for row in found.stdout.splitlines())
    return [row for row in rows if len(row) == 4]


def cores() -> Finding:
    """Processors that this process may use."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    remedy = "" if found >= CORES else "Two are enough for the demo; with one it takes twice as long."
    return Finding("CPU", "warn" if remedy else "ok", f"{found} cores, {platform.machine()}", remedy)


def memory() -> Finding:
    """Main memory."""
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GB
    remedy = "" if found >= GB_OF_MEMORY else "Run with --cores 1, so that one job alone is in memory."
    return Finding("memory", "warn" if remedy else "ok", f"{found:.3g} GB", remedy)


def data_root(path: Path) -> Finding:
    """Where datasets and weights are placed."""
    if path.is_dir():
        return Finding("data_root", "ok", str(path))
    remedy = "Make it before you place a licensed dataset; the demo needs none."
    return Finding("data_root", "warn", f"{path}: no such folder", remedy)


def results(path: Path) -> Finding:
    """Whether results can be written."""
    try:
        path.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return Finding("results", "ok", f"{path} can be written")
    except OSError as error:
        return Finding("results", "fail", str(error), "Give yourself the right to write there.")


def disk(folder: Path, ideal: WholeStudy) -> Finding:
    """Room on the disk, against what a scale's results take at most, less what is there."""
    from facetory.cli.estimate import room
    from facetory.cli.jobs import jobs_of

    wanted = room(jobs_of(ideal, "all").values(), ideal, Path("results") / ideal.settings.name) / GB
    free = shutil.disk_usage(folder).free / GB
    remedy = "" if free >= wanted else "Free some, link results/ to a larger disk, or run fewer targets."
    found = f"{free:.3g} GB free; what is left of scale {ideal.settings.name} takes {wanted:.3g} GB at most"
    return Finding("disk", "warn" if remedy else "ok", found, remedy)


def placed(ideal: WholeStudy) -> Iterator[Finding]:
    """Every dataset and network that the scale reads, with its licence, and how to get what is missing."""
    from facetory.cli.estimate import counted
    from facetory.cli.jobs import jobs_of
    from facetory.cli.needed import needed

    for own in needed(jobs_of(ideal, "all").values(), ideal, counted()):
        verdict: Verdict = "warn" if own.missing else "ok"
        yield Finding(f"{own.kind} {own.name}", verdict, own.licence, own.missing or "")


def runnable(here: WholeStudy) -> Finding:
    """How many cells can be measured here."""
    cells = [cell for plan in here.plans.values() for cell in plan.cells if cell.kind == "measured"]
    able = sum(not cell.not_run for cell in cells)
    verdict: Verdict = "ok" if able == len(cells) else "warn" if able else "fail"
    remedy = "" if able == len(cells) else "`facetory status` says what cannot run and why."
    return Finding("cells", verdict, f"{able} of {len(cells)} can be measured here", remedy)
