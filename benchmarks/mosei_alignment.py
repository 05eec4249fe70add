"""How long the SDK's alignment takes on synthetic MOSEI videos, and how long ours does, on this machine.

    python benchmarks/mosei_alignment.py [--videos 200] [--output docs/benchmarks/mosei_alignment.json]

Both take the same four `.csd` files, with the real dimensions and frame rates but without faults, for the SDK
stops at some and silently loses ids at others.  The SDK's way is its own recipe: align to the words with an
averaging function, add the labels, align to them.  Ours writes its file as well, which is included.  Every
number must agree to 1e-6 of its size.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from facetory.data.mosei.segments import Segments, read_segments
from facetory.data.mosei.spec import MODALITIES, AlignmentSpec, CorpusSpec
from facetory.data.mosei.stage import align_corpus, index_corpus
from facetory.data.mosei.synthetic import FILES, planted, video_ids
from facetory.data.mosei.utterances import video
from facetory.data.mosei.write_csd import write_csd
from facetory.pipeline.files import FacetoryError, write_json
from facetory.pipeline.provenance import git_commit, library_versions
from rich.console import Console

TOLERANCE = 1e-6
RATES = {"audio": 100, "video": 30}
"""Frames a second of COVAREP and FACET, as in the real corpus."""
UNBOUNDED = 1 << 20
REPEATS = 5
"""Runs of ours, of which the median counts; the SDK, which takes long, runs once."""


def main() -> None:
    """Measure, compare, print and, where asked, write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=200)
    parser.add_argument("--segments", type=float, default=7.0, help="segments a video")
    parser.add_argument("--output", type=Path, help="JSON file that receives the numbers")
    options = parser.parse_args()
    spec = CorpusSpec(dataset="cmu_mosei", videos=options.videos, segments=options.segments)
    load = os.getloadavg()
    with TemporaryDirectory() as folder:
        numbers = compared(spec, Path(folder))
    about = {
        "videos": options.videos,
        "load_average": {"before": load, "after": os.getloadavg()},
        "versions": library_versions(),
        "git_commit": git_commit(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        **numbers,
    }
    if options.output:
        write_json(options.output, about)
    ours, theirs = (about[name]["peak"] - about[name]["before"] for name in ("facetory_mib", "sdk_mib"))
    Console().print(
        f"{about['segments']} segments of {about['videos']} videos: the SDK {about['sdk_s']:.1f} s and "
        f"{theirs:.0f} MiB, ours {about['facetory_s']:.2f} s and {ours:.0f} MiB, {about['ratio']:.0f} times "
        f"faster ({about['cpu_ratio']:.0f} in CPU time); largest difference {about['largest_difference']:.1e}"
    )


def compared(spec: CorpusSpec, folder: Path) -> dict[str, Any]:
    """Seconds and memory of both ways on the same files; a difference is a `FacetoryError`."""
    ours, theirs = apart(aligned_by_us, spec, folder, REPEATS), apart(aligned_by_sdk, spec, folder, 1)
    segments = read_segments(folder / "measured" / "segments.safetensors")
    return {
        "segments": len(segments),
        "rows": len(segments.valid["text"]),
        "sdk_s": theirs["seconds"],
        "facetory_s": ours["seconds"],
        "ratio": theirs["seconds"] / ours["seconds"],
        "sdk_cpu_s": theirs["cpu_seconds"],
        "facetory_cpu_s": ours["cpu_seconds"],
        "cpu_ratio": theirs["cpu_seconds"] / ours["cpu_seconds"],
        "facetory_mib": ours["mib"],
        "sdk_mib": theirs["mib"],
        "largest_difference": largest_difference(segments, theirs["found"]),
    }


def apart(
    way: Callable[[dict[str, Path], Path], Any], spec: CorpusSpec, folder: Path, repeats: int
) -> dict[str, Any]:
    """One way in a process of its own: warmed up on a few videos, then all; times are the repeats' median."""
    few = spec.model_copy(update={"videos": min(2, spec.videos)})
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        pool.submit(measured, way, few, folder / "few", folder / "warmed").result()
        asked = (way, spec, folder / "corpus", folder / "measured")
        runs = [pool.submit(measured, *asked).result() for _ in range(repeats)]
    return runs[0] | {name: median(run[name] for run in runs) for name in ("seconds", "cpu_seconds")}


def measured(
    way: Callable[[dict[str, Path], Path], Any], spec: CorpusSpec, corpus: Path, aligned: Path
) -> dict[str, Any]:
    """Seconds, CPU seconds and MiB (before, and at most) of one way on a corpus of faultless files."""
    made = get_context("spawn").Process(target=clean_corpus, args=(spec, corpus))
    made.start()  # apart, so that its memory does not count
    made.join()
    files = {name: corpus / "mosei" / file for name, (file, _) in FILES.items() if name != "words"}
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        before, start, spent = peak_mib(), time.perf_counter(), time.process_time()
        found = way(files, aligned)
        seconds, cpu = time.perf_counter() - start, time.process_time() - spent
    return {
        "seconds": seconds,
        "cpu_seconds": cpu,
        "mib": {"before": before, "peak": peak_mib()},
        "found": found,
    }


def aligned_by_us(files: dict[str, Path], folder: Path) -> None:
    """Our stage as the pipeline runs it, which writes its files into ``folder``."""
    corpus = files["text"].parents[2]
    spec = CorpusSpec(dataset="cmu_mosei")
    asked = AlignmentSpec(corpus=spec, policy="strict", length=UNBOUNDED)
    align_corpus(asked, corpus / "manifest.json", {}, folder)


def aligned_by_sdk(files: dict[str, Path], folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """The SDK's recipe, which keeps all in memory."""
    return sdk_segments(files)


def clean_corpus(spec: CorpusSpec, folder: Path) -> None:
    """A corpus without faults at the real rates, placed below ``folder`` and indexed as CMU-MOSEI's."""
    if (folder / "manifest.json").exists():
        return
    about = planted()
    for name, rate in RATES.items():
        about[name]["rate_hz"] = rate
    contents = {name: video(name, spec, about) for name in video_ids(spec.videos, spec.seed)}
    for name, (file, root) in FILES.items():
        if name != "words":
            sequence = {key: content[name] for key, content in contents.items()}
            write_csd(folder / "mosei" / file, root, sequence)
    with contextlib.redirect_stderr(io.StringIO()):
        index_corpus(spec, folder, folder)


def sdk_segments(files: dict[str, Path], impute: bool = False) -> dict[str, dict[str, np.ndarray]]:
    """The SDK's aligned features (words, d) by segment id and modality.

    ``impute`` puts zeros where a word has no frame; the SDK's own way of doing so fails in its PyPI copy.
    """
    from mmsdk.mmdatasdk import mmdataset

    def average(_: np.ndarray, features: np.ndarray) -> np.ndarray:
        return np.average(features, axis=0)

    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):  # it says a lot
        data = mmdataset({name: str(files[name]) for name in MODALITIES})
        data.align("text", collapse_functions=[average])
        if impute:
            for name in MODALITIES[1:]:
                width = len(next(iter(data[name].data.values()))["features"][0])
                for word in set(data["text"].keys()) - set(data[name].keys()):
                    data[name][word] = {**data["text"][word], "features": np.zeros((1, width))}
        data.add_computational_sequences({"labels": str(files["labels"])}, None)
        data.align("labels")
    found: dict[str, dict[str, np.ndarray]] = {}
    for name in MODALITIES:
        for segment, entry in data[name].data.items():
            found.setdefault(segment, {})[name] = np.asarray(entry["features"])
    return found


def largest_difference(ours: Segments, theirs: dict[str, dict[str, np.ndarray]]) -> float:
    """The largest difference of two numbers, relative to their size where that is above one.

    A segment that only one of the two has, or whose words differ in number, is a `FacetoryError`, and so is a
    difference above `TOLERANCE`.
    """
    whole = {segment for segment, streams in theirs.items() if len(streams) == len(MODALITIES)}
    if whole != set(ours.segment_ids):
        raise FacetoryError(f"the two have different segments, for one {min(whole ^ set(ours.segment_ids))}")
    largest = 0.0
    for i, segment in enumerate(ours.segment_ids):
        for name in MODALITIES:
            mine = ours.streams[name][ours.offsets[name][i] : ours.offsets[name][i + 1]]
            other = theirs[segment][name]
            if mine.shape != other.shape:
                raise FacetoryError(f"{segment}: {name} is {mine.shape} here and {other.shape} in the SDK")
            largest = max(largest, float((np.abs(mine - other) / np.maximum(1, np.abs(other))).max()))
    if not largest <= TOLERANCE:
        raise FacetoryError(f"the two differ by {largest:.1e}, more than {TOLERANCE}")
    return largest


def peak_mib() -> float:
    """The most memory that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
