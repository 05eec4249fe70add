"""How many steps a second Affect-Diff trains at, beside a plain loop, on this machine.

    python benchmarks/affectdiff.py

The model is the released one at full size (8.9 million parameters, 5.2 of them trained), the batch 64
segments of 50 words, the diffusion at its full weight; what is measured is an epoch of a small corpus with
its validation, after a few steps that do not count.  The plain loop is benchmarks/plain_affectdiff.py.  Each
measurement has a process of its own, and ways take turns.  Two cores can be used by one training with two
threads, as a plain loop is run, or by two trainings of one thread side by side, whose steps are added, as the
pipeline runs them: both ways are compared in either use, and each in its own.  Before the epoch in which the
diffusion begins, facetory does not run the prior (`early`).

In evaluation both models must agree.  A table is printed, docs/benchmarks/affectdiff.json written;
`load_average` there tells whether the machine was quiet.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from facetory.affectdiff.batches import Corpus, load
from facetory.affectdiff.counts import counts_of
from facetory.affectdiff.networks import build
from facetory.affectdiff.spec import ModelSpec, RecognizerSpec
from facetory.affectdiff.task import Recognition
from facetory.affectdiff.train import schedule_of
from facetory.data.mosei.segments import Segments, write_segments
from facetory.data.mosei.spec import MODALITIES, AlignmentSpec, CorpusSpec
from facetory.pipeline.files import write_json
from facetory.pipeline.provenance import git_commit, library_versions
from facetory.training.device import device_name
from facetory.training.loop import train
from plain_affectdiff import PlainTraining, plain_model
from rich.console import Console
from rich.table import Table

OUTPUT = Path(__file__).parents[1] / "docs" / "benchmarks" / "affectdiff.json"
SEGMENTS, WARM = 1280, 4
"""Segments of the corpus, 70 % of which are trained on, and steps that do not count."""
TOLERANCE = 1e-4
CODE = ModelSpec(
    heads=8,
    prior_width=64,
    beta_range=(1e-4, 0.9999),
    condition="column_sums",
    pooling="mean_attention",
    classifier_layers=3,
    classifier_dropout=0.4,
    modality_gate=True,
)
SPEC = RecognizerSpec(
    dataset="drawn",
    alignment=AlignmentSpec(corpus=CorpusSpec(dataset="drawn"), policy="code"),
    model=CODE,
    epochs=2,
    patience=0,
    free_bits=0.0,
    lambda_sparsity=0.1,
    class_weights="sqrt_inverse",
    selection="batches",
    curriculum="none",
    checkpoint_every=1_000_000,
)
ONE, TWO = (1, 2), (2, 1)
"""Trainings side by side, and threads of each: one training on both cores, or two of one thread."""
COMPARISONS = {
    "one training, two threads": (ONE, ONE),
    "two trainings, one thread each": (TWO, TWO),
    "as each is run: two of ours, one plain": (TWO, ONE),
}
"""How facetory's and the plain way use two cores."""


def main() -> None:
    """Measure both ways, print a table and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    load_before = os.getloadavg()
    with tempfile.TemporaryDirectory() as folder:
        segments = Path(folder) / "segments.safetensors"
        write_segments(segments, drawn(SEGMENTS, SPEC.model))
        difference = agreement(load(segments, SPEC))
        rows = [compared(name, segments, options.repeats) for name in COMPARISONS]
        early = side_by_side("early", segments, TWO)
    about = {
        "device": device_name(),
        "parameters": counts_of(build(SPEC)),
        "batch_size": SPEC.batch_size,
        "length": SPEC.model.length,
        "relative_difference": difference,
        "comparisons": rows,
        "early": {"what": "two trainings, before the diffusion begins", "facetory": early},
        "load_average": {"before": load_before, "after": os.getloadavg()},
        "versions": library_versions(),
        "git_commit": git_commit(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }
    write_json(options.output, about)
    show(about)


def compared(name: str, segments: Path, repeats: int) -> dict[str, Any]:
    """Steps a second of both ways in turns: medians, and the median of the turns' ratios."""
    our_use, plain_use = COMPARISONS[name]
    turns = [
        [side_by_side("facetory", segments, our_use), side_by_side("plain", segments, plain_use)]
        for _ in range(repeats)
    ]
    return {
        "what": name,
        "unit": "steps/s",
        "facetory": statistics.median(ours for ours, _ in turns),
        "plain": statistics.median(plain for _, plain in turns),
        "ratio": statistics.median(ours / plain for ours, plain in turns),
        "turns": turns,
    }


def side_by_side(way: str, segments: Path, use: tuple[int, int]) -> float:
    """The sum of the steps a second of as many trainings at once, each in a process of its own."""
    trainings, threads = use
    spec = SPEC.model_copy(update={"threads": threads, "curriculum": "paper" if way == "early" else "none"})
    with ProcessPoolExecutor(trainings, get_context("spawn")) as pool:
        return sum(pool.map(measured, [way] * trainings, [segments] * trainings, [spec] * trainings))


def measured(way: str, segments: Path, spec: RecognizerSpec) -> float:
    """Steps a second of one training in this process."""
    torch.set_num_threads(spec.threads)
    torch.manual_seed(spec.seed)
    corpus, model = load(segments, spec), build(spec)
    if way == "plain":
        return PlainTraining(spec, corpus, model).steps_per_second(WARM)
    return ours(Recognition(spec, corpus, model))


def ours(task: Recognition) -> float:
    """Steps a second of facetory's loop over one epoch and its validation."""
    epoch = task.steps_per_epoch
    schedule = replace(schedule_of(task.spec, epoch), steps=WARM + epoch, log_every=WARM)
    with tempfile.TemporaryDirectory() as folder:
        train(task, schedule, folder, Path(folder) / "checkpoints", key="benchmark", device="cpu")
        log = (Path(folder) / "progress.jsonl").read_text(encoding="utf-8").splitlines()
    timed = [line for line in map(json.loads, log) if "seconds" in line]
    return (timed[-1]["step"] - WARM) / (timed[-1]["seconds"] - timed[0]["seconds"])


@torch.no_grad()
def agreement(corpus: Corpus) -> float:
    """Relative difference of the two models' logits; beyond `TOLERANCE` the comparison means nothing."""
    batch = corpus.batch(corpus.parts["test"][:64])
    our_model, plain = build(SPEC).eval(), plain_model(build(SPEC)).eval()
    z_t, label = our_model.encode(batch.streams).z.transpose(1, 2), batch.labels
    timestep, condition = torch.arange(len(label)), torch.rand(len(label), 3)
    pairs = [
        (model(batch.streams), model.prior(z_t, timestep, label, condition)) for model in (our_model, plain)
    ]
    found = max(float((ours - other).norm() / other.norm()) for ours, other in zip(*pairs, strict=True))
    if not found < TOLERANCE:
        raise SystemExit(f"The two models differ by {found:.2e}, more than {TOLERANCE:.0e}.")
    return found


def drawn(count: int, model: ModelSpec) -> Segments:
    """Random segments of the model's sizes, each as long as a batch."""
    random = np.random.default_rng(0)
    offsets = np.arange(count + 1) * model.length
    sizes = dict(zip(MODALITIES, model.dims, strict=True))
    intensities = np.zeros((count, 6), np.float32)
    intensities[np.arange(count), random.integers(0, 6, count)] = 1
    return Segments(
        streams={m: random.standard_normal((offsets[-1], size), np.float32) for m, size in sizes.items()},
        offsets=dict.fromkeys(MODALITIES, offsets),
        valid={m: np.ones(offsets[-1], bool) for m in MODALITIES},
        intensities=intensities,
        sentiment=np.zeros(count, np.float32),
        intervals=np.zeros((count, 2)),
        segment_ids=[f"video{i}[0]" for i in range(count)],
    )


def show(about: dict[str, Any]) -> None:
    """Print the comparisons."""
    title = f"{about['device']}, load {about['load_average']['before'][0]:.1f}"
    table = Table("", "unit", "facetory", "plain", "ratio", title=title)
    for row in about["comparisons"]:
        numbers = (f"{row['facetory']:.2f}", f"{row['plain']:.2f}", f"{row['ratio']:.2f}×")
        table.add_row(row["what"], row["unit"], *numbers)
    table.add_row(about["early"]["what"], "steps/s", f"{about['early']['facetory']:.2f}", "", "")
    Console().print(table)


if __name__ == "__main__":
    main()
