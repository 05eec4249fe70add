"""All weights of the paper's scale that have to be placed, fabricated: random, whole, in their real files."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from facetory.pipeline.suggest import unknown
from facetory.rehearsal import backbones, checkpoints, first_stage, foundations, generators, judges


def _snapshot(name: str, write: Callable[[Path], None], data_root: Path) -> None:
    write(data_root / "weights" / name)


SNAPSHOTS: dict[str, Callable[[Path], None]] = {
    "sd21-base": backbones.stable_diffusion,
    "sd-vae-ft-ema": backbones.autoencoder_alone,
    "sd15-vae": partial(backbones.autoencoder_alone, part="vae"),
    "vq-f4": first_stage.vq_f4,
}
"""What writes the folder of a backbone by its name in backbones.yaml."""
WEIGHTS: dict[str, Callable[[Path], None]] = {
    **{name: partial(_snapshot, name, write) for name, write in SNAPSHOTS.items()},
    **{name: partial(foundations.save_foundation, name) for name in foundations.FULL},
    "inception": judges.inception,
    "facenet": judges.facenet,
    **{f"elasticface_{loss}": partial(judges.elasticface, loss=loss) for loss in ("arc", "cos")},
    **{name: partial(checkpoints.classifier, name) for name in checkpoints.FILES},
    **{f"idiff_face_{faces}": partial(generators.idiff_face, dataset=faces) for faces in generators.FILES},
}
"""What writes each network below a data root; about 12 GB in all, at most 4 GB in memory at once."""


def fabricate_weights(data_root: Path, names: Collection[str] = WEIGHTS) -> None:
    """Write the named weights (entries of `WEIGHTS`) below ``data_root``, one after the other.

    A file or folder that is there is replaced.  With equal torch threads, bytes are equal.  An unknown name
    is a `FacetoryError`.
    """
    for name in names:
        if name not in WEIGHTS:
            raise unknown("weights", name, WEIGHTS, "the rehearsal")
        WEIGHTS[name](data_root)
