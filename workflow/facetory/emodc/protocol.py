"""What the paper states of a run, and what a run really had: their differences forbid a comparison."""

from __future__ import annotations

from typing import Any

from facetory.emodc.spec import EmoDCEvalSpec
from facetory.recognition.spec import ClassifierEvalSpec

SPLITS = {"sfew": "validation", "affectnet": "validation"}
TRAINING_STEPS = {"rafdb_basic": 30_000, "rafdb_compound": 10_000, "sfew": 2_000}
RETRAINED = ("sfew",)
"""Slots on which the paper retrained the comparators itself (note of Tables VI and VII)."""


def paper_protocol(slot: str, trained_slot: str, zero_shot: bool) -> dict[str, Any]:
    """What the paper states of EmoDC on one of its datasets (Sections IV-A to IV-C3), as in `ran`."""
    stated = {
        "backbone": "Stable Diffusion 2.1",
        "px": 512 if zero_shot else 256,
        "split": SPLITS.get(slot, "test"),
    }
    training = {
        "training_steps": TRAINING_STEPS.get(trained_slot),
        "batch_size": 64,
        "learning_rate": 1e-4,
        "rate": "constant",
        "weight_decay": 0.01,
        "LoRA_rank": 16,
        "LoRA_on": "attention",
        "margin": "attached",
    }
    return stated if zero_shot else stated | training


def ran(spec: EmoDCEvalSpec) -> dict[str, Any]:
    """What an evaluation and its training really had, under the names of `paper_protocol`."""
    backbone = "Stable Diffusion 2.1" if spec.backbone.startswith("sd21") else spec.backbone
    had: dict[str, Any] = {"backbone": backbone, "px": spec.px}
    if spec.train:
        attention = all(target.startswith("to_") for target in spec.train.lora_targets)
        had |= {
            "training_steps": spec.train.steps,
            "batch_size": spec.train.batch_size,
            "learning_rate": spec.train.lr,
            "rate": spec.train.decay,
            "weight_decay": spec.train.weight_decay,
            "LoRA_rank": spec.train.lora_rank,
            "LoRA_on": "attention" if attention else "attention and other layers",
            **({"margin": "detached"} if spec.train.detach_margin else {}),
        }
    return had


def comparator_protocol(slot: str, trained_slot: str) -> dict[str, Any]:
    """What the paper's comparators were, as in `comparator_ran`."""
    weights = "trained on this split" if trained_slot in RETRAINED else "the authors' checkpoint"
    return {"size": "as published", "weights": weights, "split": SPLITS.get(slot, "test")}


def comparator_ran(spec: ClassifierEvalSpec) -> dict[str, Any]:
    """What a discriminative classifier really was, under the names of `comparator_protocol`."""
    train = spec.train
    return {
        "size": "as published" if train.size == "paper" else train.size,
        "weights": "the authors' checkpoint" if train.weights else "trained on this split",
        "px": train.px,
        **({} if train.weights else {"training_steps": train.steps, "batch_size": train.batch_size}),
    }
