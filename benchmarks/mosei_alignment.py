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
from pathlib import Path
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
    Console().print(
        f"{about['segments']} segments of {about['videos']} videos: the SDK {about['sdk_s']:.1f} s, "
        f"ours {about['facetory_s']:.2f} s, {about['ratio']:.0f} times faster; peak memory after ours "
        f"{about['facetory_peak_mib']:.0f} MiB, after the SDK's {about['sdk_peak_mib']:.0f} MiB; largest "
        f"difference {about['largest_difference']:.1e}"
    )


def compared(spec: CorpusSpec, folder: Path) -> dict[str, Any]:
    """Seconds and peak memory of both ways on the same files; a difference is a `FacetoryError`."""
    files = clean_corpus(spec, folder / "corpus")
    asked = AlignmentSpec(corpus=spec, policy="strict", length=UNBOUNDED)
    with contextlib.redirect_stderr(io.StringIO()):
        start = time.perf_counter()
        align_corpus(asked, folder / "corpus" / "manifest.json", {}, folder / "aligned")
        ours_s, ours_peak = time.perf_counter() - start, peak_mib()
    start = time.perf_counter()
    theirs = sdk_segments(files)
    theirs_s = time.perf_counter() - start
    ours = read_segments(folder / "aligned" / "segments.safetensors")
    return {
        "segments": len(ours),
        "rows": len(ours.valid["text"]),
        "sdk_s": theirs_s,
        "facetory_s": ours_s,
        "ratio": theirs_s / ours_s,
        "facetory_peak_mib": ours_peak,
        "sdk_peak_mib": peak_mib(),
        "largest_difference": largest_difference(ours, theirs),
    }


def clean_corpus(spec: CorpusSpec, folder: Path) -> dict[str, Path]:
    """A corpus without faults at the real rates, placed and indexed as CMU-MOSEI's; its files by sequence."""
    about = planted()
    for name, rate in RATES.items():
        about[name]["rate_hz"] = rate
    contents = {name: video(name, spec, about) for name in video_ids(spec.videos, spec.seed)}
    files = {name: folder / "mosei" / file for name, (file, _) in FILES.items() if name != "words"}
    for name, path in files.items():
        write_csd(path, FILES[name][1], {key: content[name] for key, content in contents.items()})
    with contextlib.redirect_stderr(io.StringIO()):
        index_corpus(spec, folder, folder)
    return files


def sdk_segments(files: dict[str, Path]) -> dict[str, dict[str, np.ndarray]]:
    """The SDK's aligned features (words, d) by segment id and modality."""
    from mmsdk.mmdatasdk import mmdataset

    def average(_: np.ndarray, features: np.ndarray) -> np.ndarray:
        return np.average(features, axis=0)

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        data = mmdataset({name: str(files[name]) for name in MODALITIES})
        data.align("text", collapse_functions=[average])
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
