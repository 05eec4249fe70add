"""Scores of the validation split during training; exact ones, and the released code's means over batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from facetory.affectdiff.graph import acyclicity
from facetory.affectdiff.spec import ModelSpec
from facetory.data.mosei.spec import MODALITIES
from facetory.metrics.classification import accuracy, mean_class_accuracy

if TYPE_CHECKING:
    from facetory.affectdiff.batches import Batch, Corpus
    from facetory.affectdiff.spec import RecognizerSpec

BATCH = 256
EDGES = tuple((i, j) for i in range(3) for j in range(3) if i != j)


def validated(
    model: Any, spec: RecognizerSpec, corpus: Corpus, task_loss: Callable[[Tensor, Tensor], Tensor]
) -> dict[str, float]:
    """balanced_accuracy, accuracy and loss of the validation split.

    With a graph also the means of its weights (weight_text, …), of h(A) and of its edges (edge_ta: text to
    audio, …); with ``selection`` "batches" also batch_balanced_accuracy, with "loss" minus_loss, by which
    the epoch is chosen.
    """
    at = corpus.parts["validation"]
    batches = [corpus.batch(part) for part in np.split(at, range(BATCH, len(at), BATCH))]
    logits, numbers = zip(*(_seen(model, spec, batch) for batch in batches), strict=True)
    labels = torch.cat([batch.labels for batch in batches])
    loss = task_loss(torch.cat(logits), labels)
    classes, predicted = spec.model.classes, torch.cat(logits).argmax(1).cpu().numpy()
    confusion = confusion_of(labels.cpu().numpy(), predicted, classes)
    scores = {"balanced_accuracy": mean_class_accuracy(confusion), "accuracy": accuracy(confusion)}
    if spec.selection == "batches":
        scores["batch_balanced_accuracy"] = batch_balanced_accuracy(
            labels.cpu().numpy(), predicted, classes, spec.batch_size
        )
    scores["loss"] = loss.item()
    if spec.selection == "loss":
        scores["minus_loss"] = -scores["loss"]
    means = {name: torch.cat([part[name] for part in numbers]).mean() for name in numbers[0]}
    return scores | {name: mean.item() for name, mean in means.items()}


def _seen(model: Any, spec: RecognizerSpec, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits (B, K), and what the graph says of each sample, (B,)."""
    if not isinstance(spec.model, ModelSpec):
        return model(batch.streams, batch.mask), {}
    encoded = model.encode(batch.streams, batch.mask)
    logits = model.classify(model.classified_latent(encoded), encoded.valid)
    if spec.model.graph == "none":
        return logits, {}
    numbers = {f"weight_{m}": encoded.weights[:, i] for i, m in enumerate(MODALITIES)}
    numbers["h"] = acyclicity(encoded.adjacency)
    for i, j in EDGES:
        numbers[f"edge_{MODALITIES[i][0]}{MODALITIES[j][0]}"] = encoded.adjacency[:, i, j]
    return logits, numbers


def confusion_of(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts (K, K): rows are true classes, columns predicted ones."""
    return np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)


def batch_balanced_accuracy(
    labels: np.ndarray, predicted: np.ndarray, classes: int, batch_size: int
) -> float:
    """What the released code selects by: the mean over batches, weighted by size, of each one's macro recall.

    As in torchmetrics, a class that a batch neither has nor predicts is left out, and one that it predicts
    but has not counts as a recall of 0.
    """
    total = 0.0
    for first in range(0, len(labels), batch_size):
        part = slice(first, first + batch_size)
        confusion = confusion_of(labels[part], predicted[part], classes)
        rows, columns = confusion.sum(1), confusion.sum(0)
        recalls = np.diag(confusion) / np.maximum(rows, 1)
        total += recalls[rows + columns > 0].mean() * len(labels[part])
    return float(total / len(labels))
