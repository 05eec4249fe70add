"""What a run and its metric really had, and what the paper's: their differences forbid a comparison."""

from __future__ import annotations

from typing import Any

from facetory.affectdiff.spec import BaselineSpec, ModelSpec, RecognizerSpec

PAPERS_RUN = {
    "text": "glove",
    "epochs": 100,
    "batch_size": 64,
    "training_segments": 2304,
    "split": "random",
    "length": 50,
    "hidden": 128,
    "latent": 128,
    "prior_width": 128,
    "sizes": "as published",
}
"""Of the emotion runs, as in `budget_of` (Table I, Sections IV-B, IV-D and IV-H)."""
PAPERS_SENTIMENT = {
    "text": "bert, fine-tuned on the training labels",
    "epochs": 100,
    "batch_size": 64,
    "split": "random",
    "length": 50,
}
"""Of the sentiment runs (Appendix A; the released features)."""
LABELS = {
    "argmax": "strongest emotion",
    "swapped": "strongest emotion, Fear and Surprise exchanged as released",
    "rule": "strongest emotion shown",
}
OF_DATA = ("text", "policy", "split", "labels", "training_segments", "length", "planted")
"""What a number about the data had, of all that `budget_of` names."""
EXCHANGED = ("f1 Fear", "f1 Surprise")


def budget_of(manifest: dict[str, Any]) -> dict[str, Any]:
    """What a run had, from its manifest: data, sizes, training, what a synthetic corpus was planted with."""
    spec = RecognizerSpec.model_validate(manifest["spec"])
    data, planted = manifest["data"], manifest["data"]["corpus"]["corpus"].get("planted")
    return {
        "text": spec.alignment.text,
        "policy": spec.alignment.policy,
        "split": spec.split,
        **({"labels": LABELS[spec.labels]} if spec.task == "emotion" else {}),
        "training_segments": data["sizes"]["train"],
        "epochs": spec.epochs,
        "batch_size": spec.batch_size,
        "length": spec.model.length,
        **_sizes(spec.model),
        "device": manifest["training"]["device_name"],
        **({"planted": planted_in_words(planted)} if planted else {}),
    }


def _sizes(model: ModelSpec | BaselineSpec) -> dict[str, Any]:
    """The widths of a model that has them; of a baseline whether they are the published ones."""
    if isinstance(model, BaselineSpec):
        return {"sizes": "reduced" if model.sizes else "as published"}
    prior = {"prior_width": model.prior_width} if model.prior_width else {}
    return {"hidden": model.hidden, "latent": model.latent, **prior}


def papers(manifest: dict[str, Any]) -> dict[str, Any]:
    """What the paper states of such a run."""
    task = RecognizerSpec.model_validate(manifest["spec"]).task
    return PAPERS_RUN if task == "emotion" else PAPERS_SENTIMENT


def apart(metric: str, manifest: dict[str, Any]) -> list[str]:
    """What the released code computed otherwise than a cell's metric, whatever the run had."""
    found = []
    if metric.partition(" ")[0] == "val_balanced_accuracy":
        found.append("exact balanced accuracy (published: a mean over batches)")
    if metric in EXCHANGED and RecognizerSpec.model_validate(manifest["spec"]).labels != "swapped":
        found.append("Fear and Surprise in order (published: exchanged)")
    return found


def planted_in_words(planted: dict[str, Any]) -> str:
    """The planted strengths of a synthetic corpus (data/mosei/synthetic.yaml), for the foot of a table."""
    text, audio, video = (planted[name] for name in ("text", "audio", "video"))
    return (
        f"{100 * text['emotion_words']:g} % emotion words, audio {audio['separation']:g} σ, "
        f"video {video['separation']:g} σ"
    )
