"""CelebA-HQ as CelebAMask-HQ has it, with attributes and partition, or as Kaggle's smaller copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from facetory.data.catalogue import entry, source_of
from facetory.data.celebahq import ATTRIBUTES, IMAGES, MAPPING, PARTITION
from facetory.data.index import SPLITS
from facetory.pipeline.files import write_text
from facetory.pipeline.randomness import permutation
from facetory.rehearsal.bank import Face
from facetory.rehearsal.casting import asked, shots
from facetory.rehearsal.pictures import fitted, jpeg, write

NAMES = (
    "5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose Black_Hair "
    "Blond_Hair Blurry Brown_Hair Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee Gray_Hair Heavy_Makeup "
    "High_Cheekbones Male Mouth_Slightly_Open Mustache Narrow_Eyes No_Beard Oval_Face Pale_Skin Pointy_Nose "
    "Receding_Hairline Rosy_Cheeks Sideburns Smiling Straight_Hair Wavy_Hair Wearing_Earrings Wearing_Hat "
    "Wearing_Lipstick Wearing_Necklace Wearing_Necktie Young"
)
"""CelebA's forty attributes in their order."""
TOLD = ("Mouth_Slightly_Open", "No_Beard", "Eyeglasses")
"""What is given in turn, so that all eight combinations occur in eight images of a split; the rest is −1."""
MASK_PX, SMALL_PX = 1024, 256


def fabricate(data_root: Path, faces: Sequence[Face], sizes: Mapping[str, int]) -> None:
    """Write `celebahq` as CelebAMask-HQ has it, with `MAPPING`, `PARTITION` and `ATTRIBUTES`.

    ``sizes`` are images of train, validation and test, whose numbers are mixed.
    """
    source = source_of(entry("celebahq"), data_root)
    counts = asked("celebahq", sizes, SPLITS)
    total = sum(counts.values())
    numbers = permutation(total, 0, "rehearsal", "celebahq numbers").tolist()
    has: dict[int, list[str]] = {}
    split_of: dict[int, int] = {}
    for number, shot in zip(numbers, shots("celebahq", faces, (), counts), strict=True):
        write(source / IMAGES[0] / f"{number}.jpg", jpeg(fitted(shot.face.image, MASK_PX, MASK_PX)))
        has[number] = [name for bit, name in enumerate(TOLD) if shot.number >> bit & 1]
        split_of[number] = SPLITS.index(shot.split)
    rows = [f"{n}.jpg  " + " ".join("1" if a in has[n] else "-1" for a in NAMES.split()) for n in sorted(has)]
    write_text(source / ATTRIBUTES, "\n".join([str(total), NAMES, *rows, ""]))
    originals = permutation(total, 0, "rehearsal", "celebahq originals").tolist()
    rows = [f"{n:<8d}{originals[n]:<13d}{originals[n] + 1:06d}.jpg" for n in range(total)]
    write_text(source / MAPPING, "\n".join(["idx     orig_idx     orig_file", *rows, ""]))
    parts = sorted((originals[n] + 1, split_of[n]) for n in range(total))
    write_text(source / PARTITION, "".join(f"{original:06d}.jpg {part}\n" for original, part in parts))


def fabricate_small(data_root: Path, faces: Sequence[Face], sizes: Mapping[str, int]) -> None:
    """Write `celebahq` as Kaggle's copy of 256 pixels, images alone.

    Of ``sizes`` the sum counts: without a partition the loader draws the splits.
    """
    source = source_of(entry("celebahq"), data_root)
    total = sum(asked("celebahq", sizes, SPLITS).values())
    for shot in shots("celebahq small", faces, (), {"train": total}):
        write(
            source / IMAGES[1] / f"{shot.number:05d}.jpg", jpeg(fitted(shot.face.image, SMALL_PX, SMALL_PX))
        )
