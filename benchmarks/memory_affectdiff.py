"""Affect-Diff's stages: its recogniser and the faithful baselines, and the extraction of features."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from facetory.affectdiff.batches import Corpus
from facetory.affectdiff.networks import build as build_recognizer
from facetory.affectdiff.spec import ModelSpec
from facetory.affectdiff.task import Recognition
from facetory.affectdiff.train import schedule_of as recognizer_schedule
from facetory.data.mosei.foundation import foundation
from facetory.data.mosei.spec import MODALITIES
from memory_stage import Stage, frozen, partial_of, study, trained
from memory_tracker import Prepared

SEGMENTS, WORDS = 23_259, 19
"""CMU-MOSEI's segments, and words of one on average: its aligned features lie on the device."""


def of_affectdiff() -> list[Stage]:
    """Affect-Diff and the faithful baselines, and the foundation models that extract features."""
    own = study("affectdiff")
    specs = list(own.recognizers.values())
    model = next(s for s in specs if s.model == ModelSpec())
    baselines = {s.model.network: s for s in specs if getattr(s.model, "size", "") == "faithful"}
    extraction = next(iter(own.extractions.values()))
    corpus = "the corpus lies on the device"
    batch = extraction.batch_size
    windows = {"roberta": "windows of 258 tokens", "hubert": "windows of 12 s", "clip": "frames of 224 px"}
    return [
        Stage(
            "training, full model",
            "affectdiff",
            "Affect-Diff",
            model.precision,
            model.batch_size,
            None,
            partial_of(train_recognizer, model),
            corpus,
        ),
        *(
            Stage(
                f"training, {name} (faithful)",
                "affectdiff",
                name,
                spec.precision,
                spec.batch_size,
                None,
                partial_of(train_recognizer, spec),
                corpus,
            )
            for name, spec in baselines.items()
        ),
        *(
            Stage(
                f"features, {foundation(name).title}",
                "affectdiff",
                foundation(name).title,
                "no",
                batch,
                None if name != "clip" else 224,
                partial_of(extract, name),
                windows[name],
            )
            for name in windows
        ),
    ]


def train_recognizer(spec: Any, batch: int, device: str) -> Prepared:
    """A step of a recogniser's task on a corpus as large as CMU-MOSEI."""
    spec = spec.model_copy(update={"batch_size": batch})
    starts = {m: torch.arange(SEGMENTS + 1, device=device) * WORDS for m in MODALITIES}
    rows = {
        m: torch.zeros(SEGMENTS * WORDS + 1, width, device=device)
        for m, width in zip(MODALITIES, spec.model.dims, strict=True)
    }
    measured = {m: torch.zeros(SEGMENTS * WORDS + 1, dtype=torch.bool, device=device) for m in MODALITIES}
    labels = np.arange(SEGMENTS) % spec.model.classes
    counts = np.bincount(labels, minlength=spec.model.classes).tolist()
    parts = {part: np.arange(SEGMENTS) for part in ("train", "validation", "test")}
    names = [""] * SEGMENTS
    corpus = Corpus(
        rows=rows,
        measured=measured,
        offsets=starts,
        length=spec.model.length,
        parts=parts,
        labels=labels,
        sentiment=labels * 0.0,
        videos=names,
        segment_ids=names,
        normalisation={},
        class_counts=dict.fromkeys(parts, counts),
        about={},
    )
    task = Recognition(spec, corpus, build_recognizer(spec), device)
    data = [*rows.values(), *measured.values(), *starts.values()]
    return trained(task, recognizer_schedule(spec, task.steps_per_epoch), device, data)


def extract(name: str, batch: int, device: str) -> Prepared:
    """A batch of windows, or frames, through a foundation model in float32."""
    import transformers
    from facetory.data.mosei import extract_audio, extract_text

    own = {
        "roberta": transformers.RobertaConfig(max_position_embeddings=514),
        "hubert": transformers.HubertConfig(),
        "clip": transformers.CLIPVisionConfig(patch_size=16),
    }
    pooled = {"add_pooling_layer": False} if name == "roberta" else {}
    network = frozen(lambda: getattr(transformers, foundation(name).network)(own[name], **pooled), device)
    width = extract_text.CORE + 2 * extract_text.MARGIN + 2
    sound = np.zeros(batch * extract_audio.CORE * extract_audio.STATES * extract_audio.HOP, np.float32)

    def step(number: int) -> Any:
        with torch.inference_mode():
            if name == "roberta":
                ids = torch.ones(batch, width, dtype=torch.int64, device=device)
                return network(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
            if name == "clip":
                return network(pixel_values=torch.zeros(batch, 3, 224, 224, device=device)).image_embeds
            return extract_audio.speech_features(network, sound, batch)

    return Prepared({name: network}, step)
