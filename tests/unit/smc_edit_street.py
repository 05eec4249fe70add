"""A small street for SMC's edits: drawn faces, a tiny autoencoder, diffusion model and latents.

As a script, a stage to kill: ``smc_edit_street.py decoder FOLDER SECONDS_A_STEP``.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DModel
from drawn import face
from facetory.diffusion.encode import encode
from facetory.diffusion.pretrain_vae import start_small_variance
from facetory.diffusion.unconditional import save_unconditional
from facetory.faces.views import COLUMNS
from facetory.pipeline.files import sha256_of, write_json
from facetory.recognition.spec import ClassifierSpec
from facetory.recognition.train import train_classifier
from facetory.smc.sampler_spec import Sampler
from facetory.smc.spec import EditSpec, SmallDecoderSpec, SMCTrainSpec
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


def diffusion(folder: Path) -> Path:
    """Write a tiny unconditional UNet, as if trained; returns its folder."""
    torch.manual_seed(2)
    unet = UNet2DModel(
        sample_size=PX // 2,
        in_channels=4,
        out_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
        attention_head_dim=8,
    )
    save_unconditional(unet, folder / "diffusion")
    outputs = {
        str(path.relative_to(folder / "diffusion")): "" for path in (folder / "diffusion").rglob("*.*")
    }
    write_json(folder / "diffusion" / "manifest.json", {"status": "trained", "outputs": outputs})
    return folder / "diffusion"


GUIDE = ClassifierSpec(dataset="drawn", network="cnn", size="small", px=PX, steps=2, batch_size=8)
LATENT_GUIDE = GUIDE.model_copy(update={"view": "latents", "backbone": "tiny"})
TRAIN = SMCTrainSpec(dataset="drawn", backbone="tiny", px=PX, steps=1)


def edit_spec(sampler: dict | None = None, **changes) -> EditSpec:
    sizes = {"particles": 5, "inference_steps": 20, "noise_strength": 0.3}
    about = {"train": TRAIN, "guide": GUIDE, "dataset": "drawn", "split": "test", "images": 3}
    about |= {"target": "happy", "batch_rows": 4, "sampler": Sampler(**sizes | (sampler or {}))}
    return EditSpec(**about | changes)


def models(folder: Path) -> dict[str, Path]:
    """Write all that an edit reads; returns the arguments of the stage."""
    about = {"backbone": backbone(folder), "diffusion": diffusion(folder)}
    train_classifier(GUIDE, faces(folder / "train", 8, "train"), folder / "guide", folder / "checkpoints")
    return about | {"classifier": folder / "guide", "faces_ledger": faces(folder / "faces")}


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
