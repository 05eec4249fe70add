"""How the baselines' own authors trained them on CMU-MOSEI; here they train like Affect-Diff."""

from __future__ import annotations

from facetory.affectdiff.spec import BaselineSpec

RECIPES: dict[str, dict[str, float | str]] = {
    "tfn": {"batch_size": 128, "lr": 5e-3, "source": "MMSA"},
    "mult": {"batch_size": 4, "lr": 5e-4, "weight_decay": 1e-3, "clip": 0.6, "source": "MMSA"},
    "misa": {"batch_size": 64, "lr": 1e-4, "weight_decay": 5e-5, "clip": 0.8, "source": "MMSA"},
    "mmim": {"batch_size": 32, "lr": 1e-3, "weight_decay": 1e-4, "clip": 1.0, "source": "MMSA"},
    "tetfn": {
        "batch_size": 32,
        "lr": 1e-4,
        "lr_audio": 1e-3,
        "lr_video": 5e-3,
        "weight_decay": 1e-2,
        "weight_decay_audio": 0.0,
        "weight_decay_video": 1e-3,
        "source": "MMSA",
    },
}


def recipe(spec: BaselineSpec) -> dict[str, float | str]:
    """The original settings of the optimiser; for ``lite`` those of the release, AdamW for every network."""
    if spec.size == "lite":
        return {"batch_size": 64, "lr": 5e-4, "weight_decay": 1e-4, "clip": 1.0, "source": "the release"}
    return dict(RECIPES[spec.network])
