"""CMU-MOSEI: its computational sequences, and the recordings and pictures that features are taken from."""

from __future__ import annotations

import io
import math
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from facetory.data.catalogue import entry, source_of
from facetory.data.mosei.csd import open_csd
from facetory.data.mosei.extract_audio import RATE
from facetory.data.mosei.foundation import MATERIAL
from facetory.data.mosei.spec import CorpusSpec
from facetory.data.mosei.synthetic import planted, write_corpus
from facetory.pipeline.randomness import generator
from facetory.rehearsal.bank import Face
from facetory.rehearsal.casting import asked, by_person, portrait
from facetory.rehearsal.pictures import jpeg, write

DATASET = "cmu_mosei"
SPLITS = ("train", "validation", "test")
SEGMENTS, WORDS = 4.0, 12.0
"""Segments of a video and words of a segment, on average."""
COSTLY = ("missing_modality", "unequal_lengths")
"""Faults that a strict alignment answers by leaving the whole video out."""
PITCH, LOUDNESS, NOISE = (90.0, 250.0), 0.2, 0.02


def fabricate(
    data_root: Path, faces: Sequence[Face], sizes: Mapping[str, int], in_folders: bool = True
) -> None:
    """Write `cmu_mosei`: five `.csd` files, WAV_16000/<video>.wav and frames/<video>/<second>.jpg.

    Of ``sizes`` the sum counts: the number of videos, whose ids are the standard folds' in their proportions,
    but for one in fifty, which no fold has (7 videos are the fewest in all three folds).  The sequences have
    the faults of a real copy that cost no whole video.  ``in_folders``: as the SDK sorts the files; else all
    in one folder.
    """
    source, videos = source_of(entry(DATASET), data_root), sum(asked(DATASET, sizes, SPLITS).values())
    source.mkdir(parents=True, exist_ok=True)
    spec = CorpusSpec(dataset=DATASET, videos=videos, segments=SEGMENTS, words=WORDS)
    traps = {trap: share for trap, share in planted()["traps"].items() if trap not in COSTLY}
    with TemporaryDirectory(dir=source, prefix=".") as aside:
        files = write_corpus(spec, aside, traps)
        with open_csd(files["labels"]) as csd:
            seconds = {video: float(csd.read(video).intervals.max()) for video in csd.videos}
        for path in files.values():
            place = source / (path.relative_to(aside) if in_folders else path.name)
            place.parent.mkdir(exist_ok=True)
            path.replace(place)
    people = list(by_person(faces).values())
    for number, (video, length) in enumerate(sorted(seconds.items())):
        write(source / MATERIAL["audio"][0] / f"{video}.wav", wave_file(hum(video, length)))
        for second in range(math.ceil(length)):
            face = portrait(f"{DATASET} {video}", people[number % len(people)], second)
            write(source / MATERIAL["video"][0] / video / f"{second}.jpg", jpeg(face.image))


def hum(video: str, seconds: float) -> np.ndarray:
    """A voice of a pitch of its own that swells with its syllables, in noise: (n,) float64 in [−1, 1]."""
    draw = generator(0, "rehearsal", "voice", video)
    times = np.arange(math.ceil(seconds * RATE)) / RATE
    pitch, phases = draw.uniform(*PITCH), draw.uniform(0, 2 * np.pi, 5)
    voice = sum(np.sin(2 * np.pi * k * pitch * times + phase) / k for k, phase in enumerate(phases, start=1))
    swell = np.abs(np.sin(2 * np.pi * draw.uniform(1.5, 3) * times))
    return np.clip(LOUDNESS * swell * voice + NOISE * draw.normal(size=len(times)), -1, 1)


def wave_file(samples: np.ndarray) -> bytes:
    """Samples (n,) in [−1, 1] as a 16 kHz mono 16-bit PCM file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", "not compressed"))
        file.writeframes(np.rint(samples * (2**15 - 1)).astype("<i2").tobytes())
    return buffer.getvalue()
