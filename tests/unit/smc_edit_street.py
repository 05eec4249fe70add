"""A small street for SMC's edits: drawn faces, a tiny autoencoder, diffusion model and latents.

As a script, a stage to kill: ``smc_edit_street.py decoder FOLDER SECONDS_A_STEP``.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from drawn import face
from facetory.diffusion.encode import encode
from facetory.diffusion.pretrain_vae import start_small_variance
from facetory.faces.views import COLUMNS
from facetory.pipeline.files import sha256_of, write_json
from facetory.smc.spec import SmallDecoderSpec
from PIL import Image

PX = 16
LABELS = ("happiness", "sadness", "anger", "neutral")
FACTOR = 0.7


def faces(folder: Path, count: int = 8, split: str = "test", labelled: bool = True) -> Path:
    """Write drawn faces of four expressions in turn (or of none); returns their ledger."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows = []
    for i in range(count):
        name, path = f"{split}{i}", folder / "images" / f"{split}{i}.png"
        shift = np.random.default_rng(i).integers(0, 60, 3)
        Image.fromarray((face(PX) - shift.astype(np.uint8)).astype(np.uint8)).save(path)
        label = LABELS[i % len(LABELS)] if labelled else ""
        rows.append((name, split, label, f"p{i // 2}", sha256_of(path)))
    with (folder / "ledger.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([COLUMNS, *rows])
    return folder / "ledger.csv"


def backbone(folder: Path) -> Path:
    """Write a tiny autoencoder that halves the side once; returns the manifest of the backbone."""
    torch.manual_seed(1)
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8),
        latent_channels=4,
        norm_num_groups=4,
        sample_size=PX,
        scaling_factor=FACTOR,
    )
    start_small_variance(vae)
    vae.save_pretrained(folder / "snapshot" / "vae", safe_serialization=True)
    about = {"folder": str(folder / "snapshot"), "spec": {"name": "tiny", "source": "", "px": PX}}
    write_json(folder / "backbone.json", about)
    return folder / "backbone.json"


def latents(folder: Path, manifest: Path) -> Path:
    """Encode 40 drawn faces of a training split; returns the file."""
    path = folder / "latents" / "train.safetensors"
    encode(faces(folder / "train", 40, "train"), manifest, "train", PX, {"clean": path})
    return path


def decoder_spec(**changes) -> SmallDecoderSpec:
    about = {"dataset": "drawn", "backbone": "tiny", "px": PX, "widths": (12, 8), "steps": 6, "batch_size": 4}
    return SmallDecoderSpec(**(about | {"lr": 3e-3, "checkpoint_every": 1} | changes))


if __name__ == "__main__":
    import time

    from facetory.smc import small_decoder

    torch.set_num_threads(1)
    folder, slow = Path(sys.argv[2]), float(sys.argv[3])
    loss = small_decoder.Distillation.loss
    small_decoder.Distillation.loss = lambda *args: time.sleep(slow) or loss(*args)  # type: ignore
    paths = {"latents": folder / "latents" / "train.safetensors", "backbone": folder / "backbone.json"}
    small_decoder.train_small_decoder(
        decoder_spec(steps=12), **paths, folder=folder / "killed", checkpoints=folder / "checkpoints"
    )
