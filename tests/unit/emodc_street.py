"""A small street for EmoDC's tests: a tiny UNet, latents and text; as a script, a stage to kill."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from facetory.diffusion.snapshot import save_scheduler
from facetory.emodc.spec import EmoDCEvalSpec, EmoDCTrainSpec
from facetory.pipeline.files import write_tensors

CLASSES = ["happiness", "sadness", "anger"]
L, D = 5, 12


def tiny_unet(seed: int = 0) -> UNet2DConditionModel:
    torch.manual_seed(seed)
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=D,
        attention_head_dim=8,
        norm_num_groups=8,
        use_linear_projection=True,
    ).eval()


def build(folder: Path, samples: int = 12, corruption: str = "clean") -> dict[str, Path]:
    """Write a backbone, a split of latents whose mean tells the class, and text; return their paths."""
    random = np.random.default_rng(0)
    tiny_unet().save_pretrained(folder / "backbone" / "unet", safe_serialization=True)
    save_scheduler(folder / "backbone")
    labels = np.arange(samples) % len(CLASSES)
    mean = random.normal(size=(samples, 2, 4, 8, 8)) + labels[:, None, None, None, None]
    tensors = {
        "mean": mean.astype(np.float16),
        "logvar": np.full_like(mean, -3, np.float16),
        "labels": labels,
    }
    about = {
        "sample_ids": [f"s{i}" for i in range(samples)],
        "persons": [f"p{i // 2}" for i in range(samples)],
        "classes": CLASSES,
        "scaling_factor": 0.5,
        "encoder": "demo",
        "dataset": "faces",
        "px": 64,
        "corruption": corruption,
    }
    write_tensors(folder / "train.safetensors", tensors, about)
    tokens = random.normal(size=(len(CLASSES) + 2, L, D)).astype(np.float32)
    write_tensors(folder / "text.safetensors", {"tokens": tokens}, {"classes": CLASSES, "prompts": ["…"] * 5})
    return {
        "latents": folder / "train.safetensors",
        "text": folder / "text.safetensors",
        "backbone": folder / "backbone",
    }


def for_evaluation(paths: dict[str, Path]) -> dict[str, object]:
    """What `build` returned as arguments of the evaluation stage: the latents are the clean ones."""
    return {**paths, "latents": {"clean": paths["latents"]}}


def train_spec(**changes) -> EmoDCTrainSpec:
    settings = {"loss": "amdit", "steps": 6, "batch_size": 4, "lr": 1e-3, "lora_rank": 2, "lora_alpha": 2}
    names = {"dataset": "faces", "backbone": "demo", "px": 64}
    return EmoDCTrainSpec(**(names | settings | {"checkpoint_every": 1} | changes))


def eval_spec(train: EmoDCTrainSpec | None = None, **changes) -> EmoDCEvalSpec:
    settings = {"timesteps": (9, 99, 499, 899), "batch_size": 64, "train": train}
    names = {"dataset": "faces", "backbone": "demo", "px": 64, "split": "test"}
    return EmoDCEvalSpec(**(names | settings | changes))


if __name__ == "__main__":
    stage, folder, slow = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
    import time

    from facetory.emodc import evaluate, train

    torch.set_num_threads(1)
    paths = {key: Path(path) for key, path in json.loads(sys.argv[4]).items()}
    if stage == "train":
        loss = train.EmoDCTask.loss
        train.EmoDCTask.loss = lambda *args: time.sleep(slow) or loss(*args)  # type: ignore[method-assign]
        train.train_emodc(
            train_spec(steps=12), **paths, folder=folder / "run", checkpoints=folder / "checkpoints"
        )
    else:
        measure = evaluate.errors_by_class
        evaluate.PAIRS_A_SHARD = 4
        evaluate.errors_by_class = lambda *args, **options: time.sleep(slow) or measure(*args, **options)
        evaluate.evaluate_emodc(eval_spec(), **for_evaluation(paths), run=None, folder=folder / "evaluation")
