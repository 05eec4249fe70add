"""A trained and exported model in miniature: a tiny backbone with its autoencoder, and drawn faces."""

from pathlib import Path

import numpy as np
from diffusers import AutoencoderKL
from drawn import face
from emodc_street import build, eval_spec, for_evaluation, train_spec
from facetory.emodc.evaluate import evaluate_emodc
from facetory.emodc.export import Made, export, opened
from facetory.emodc.grids import grid
from facetory.emodc.train import train_emodc
from facetory.faces.crop import Alignment
from facetory.pipeline.files import write_json

PX = 16
SETTINGS = Alignment(align_px=32, margin=0.1)


def made(folder: Path, samples: int = 24) -> Made:
    """Train and evaluate a run on the street's latents, with manifests of faces and dataset."""
    import torch

    paths = build(folder, samples)
    torch.manual_seed(1)
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8),
        latent_channels=4,
        norm_num_groups=4,
        sample_size=PX,
    )
    vae.save_pretrained(paths["backbone"] / "vae", safe_serialization=True)
    spec = train_spec(px=PX)
    train_emodc(spec, **paths, folder=folder / "run", checkpoints=folder / "checkpoints")
    evaluation = eval_spec(spec, px=PX, timesteps=(99, *grid(10)))
    evaluate_emodc(evaluation, **for_evaluation(paths), run=folder / "run", folder=folder / "evaluation")
    detection = SETTINGS.detection._asdict()
    write_json(folder / "faces.json", {"spec": {**SETTINGS._asdict(), "detection": detection, "order": "x"}})
    counts = {"train": dict.fromkeys(("happiness", "sadness", "anger"), 8)}
    write_json(folder / "dataset.json", {"title": "drawn faces", "licence": "CC0", "counts": counts})
    places = (paths["text"], paths["backbone"], folder / "faces.json", folder / "dataset.json")
    return Made(folder / "run", *places, folder / "evaluation")


def exported(folder: Path) -> Path:
    """The folder of an exported model."""
    export(opened(made(folder), "drawn"), folder / "model")
    return folder / "model"


def photographs(folder: Path) -> dict[str, Path]:
    """Pictures of one face, of two, and of none, as files."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    pictures = {
        "one": face(160),
        "two": face(320, ((0.27, 0.5, 0.42), (0.75, 0.5, 0.42))),
        "none": np.full((160, 160, 3), 90, dtype=np.uint8),
    }
    for name, picture in pictures.items():
        Image.fromarray(picture).save(folder / f"{name}.png")
    return {name: folder / f"{name}.png" for name in pictures}
