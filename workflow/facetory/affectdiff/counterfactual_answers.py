"""What a recognizer answers about test segments: other labels, coalitions of modalities, swapped streams."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from facetory.affectdiff.attribution import EVERYBODY, coalition_logits, log_odds, shapley
from facetory.affectdiff.batches import Corpus
from facetory.affectdiff.counterfactual import no_prior, relabel
from facetory.affectdiff.model import AffectDiff
from facetory.affectdiff.spec import CounterfactualSpec
from facetory.affectdiff.swap import donors, swapped_logits
from facetory.pipeline.randomness import sample_keys, stream_key, uniform
from facetory.training.progress import shown

RELABELLED = ("logits_roundtrip", "logits_counterfactual", "delta_norm", "delta_by_position")
Arrays = dict[str, np.ndarray]


def examples(corpus: Corpus, spec: CounterfactualSpec) -> np.ndarray:
    """Positions of the test segments that are asked about, drawn by (seed, segment id), by id."""
    test = sorted(corpus.parts["test"], key=lambda position: corpus.segment_ids[position])
    keys = sample_keys([corpus.segment_ids[position] for position in test])
    drawn = uniform(stream_key(spec.seed, "affectdiff", "examples"), keys, 0, 1)[:, 0]
    chosen = np.sort(np.argsort(drawn, kind="stable")[: spec.examples])
    return np.array(test, dtype=np.int64)[chosen]


def answers(
    model: nn.Module, corpus: Corpus, positions: np.ndarray, spec: CounterfactualSpec
) -> tuple[Arrays, dict[str, dict[str, str]]]:
    """The arrays of records.safetensors but the labels, and what became of the two questions."""
    model.eval()
    chunks = [positions[i : i + spec.batch_size] for i in range(0, len(positions), spec.batch_size)]
    reason = no_prior(model)
    with shown("counterfactuals", 0, 2 * len(chunks)) as show:
        found = []
        for done, chunk in enumerate(chunks, start=1):
            found.append(_own(model, corpus, chunk, None if reason else spec))
            show(done, {})
        arrays = {name: np.concatenate([one[name] for one in found]) for name in found[0]}
        ids = [corpus.segment_ids[position] for position in positions]
        predicted = arrays["logits_source"].argmax(1)
        arrays["swap_donors"] = donors(predicted, arrays.pop("present"), ids, spec.seed)
        swapped = []
        for done, start in enumerate(range(0, len(positions), spec.batch_size), start=1):
            given = arrays["swap_donors"][start : start + spec.batch_size]
            swapped.append(_swapped(model, corpus, positions, chunks[done - 1], given))
            show(len(chunks) + done, {})
        arrays["swap_logits"] = np.concatenate(swapped)
    return arrays, {"label": _label_question(arrays, reason), "modality": {"status": "answered"}}


def _label_question(arrays: Arrays, reason: str | None) -> dict[str, str]:
    """What became of the label question; arrays that are not finite go, and the reason stays."""
    if reason:
        return {"status": "not_run", "reason": reason}
    if all(np.isfinite(arrays[name]).all() for name in RELABELLED):
        return {"status": "answered"}
    for name in RELABELLED:
        del arrays[name]
    return {"status": "failed", "reason": "the prior diverged: some resampled latents are not finite"}


@torch.inference_mode()
def _own(model: nn.Module, corpus: Corpus, positions: np.ndarray, spec: CounterfactualSpec | None) -> Arrays:
    """What concerns segments by themselves; the label question only with a spec."""
    batch = corpus.batch(positions)
    by_coalition = coalition_logits(model, batch.streams, batch.mask)
    source = by_coalition[:, EVERYBODY]
    predicted = source.argmax(1)
    values = _numpy(log_odds(by_coalition, predicted[:, None]))
    arrays = {
        "logits_source": _numpy(source),
        "coalitions": values,
        "attribution": shapley(values).astype(np.float32),
        "present": batch.mask.any(2).cpu().numpy(),
    }
    if isinstance(model, AffectDiff):
        encoded = model.encode(batch.streams, batch.mask)
        arrays["graph_weights"] = _numpy(encoded.weights)
        if spec:
            changed = relabel(model, encoded, predicted, spec.steps, spec.guidance_scale, spec.strength)
            rows = torch.arange(len(predicted), device=predicted.device)
            arrays |= {
                "logits_counterfactual": _numpy(changed.logits),
                "logits_roundtrip": _numpy(changed.logits[rows, predicted]),
                "delta_norm": _numpy(changed.distance),
                "delta_by_position": _numpy(changed.by_position).astype(np.float16),
            }
    return arrays


def _swapped(
    model: nn.Module, corpus: Corpus, everyone: np.ndarray, positions: np.ndarray, given: np.ndarray
) -> np.ndarray:
    """Logits (B, 3, K) with each stream swapped for the donor's, a row of ``everyone``; NaN without one."""
    own = corpus.batch(positions)
    gifts = [corpus.batch(everyone[np.maximum(given[:, i], 0)]) for i in range(given.shape[1])]
    text, audio, video = (gift.streams[i] for i, gift in enumerate(gifts))
    mask = torch.stack([gift.mask[:, i] for i, gift in enumerate(gifts)], dim=1)
    logits = _numpy(swapped_logits(model, own.streams, own.mask, (text, audio, video), mask))
    return np.where(given[..., None] < 0, np.float32(np.nan), logits)


def _numpy(values: Tensor) -> np.ndarray:
    return values.float().cpu().numpy()
