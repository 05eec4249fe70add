"""How hard is a dataset?  A linear probe and a small CNN on its aligned faces and on their cached latents.

Both learn from the training split alone, whose people the other split does not hold: what they reach on
pixels says how visible the expressions are, what they reach on latents says how much of them the autoencoder
keeps.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from facetory.data.index import read_csv
from facetory.faces.views import COLUMNS, pixels
from facetory.metrics.bootstrap import clusters, mean_estimate
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.provenance import manifest
from facetory.pipeline.randomness import permutation, stream_key
from facetory.pipeline.spec import Spec
from facetory.recognition.views import Views, latent_views

if TYPE_CHECKING:
    from facetory.training.loop import Schedule


class ProbeSpec(Spec):
    """What the probes do: faces are resized to ``px``, and ``train_limit`` samples are drawn from more.

    ``inverse_l2`` is scikit-learn's C of the linear probe; from ``widths`` on all belongs to the CNN.
    """

    px: int = 64
    train_limit: int = 12_000
    inverse_l2: float = 1e-3
    iterations: int = 300
    widths: tuple[int, ...] = (32, 64, 128, 128)
    dropout: float = 0.3
    epochs: int = 16
    batch_size: int = 32
    lr: float = 1.5e-3
    weight_decay: float = 0.02
    seed: int = 0
    threads: int = 1


def probe(
    faces: Path | str, train: Path | str, test: Path | str, output: Path | str, spec: ProbeSpec
) -> None:
    """Probe a dataset and write ``output``: a manifest with the accuracy of every probe on every input.

    ``faces`` is the ledger.csv of the aligned faces; ``train`` and ``test`` are the latents of two splits,
    and name their samples.  Accuracies are fractions of the test split with 95 % intervals by bootstrap over
    people (null where one person is all there is).  A person in both splits is a `FacetoryError`.
    """
    settings, code = spec.model_dump(mode="json"), ["recognition.probes"]
    with manifest(output, "probe", settings, code, [faces, train, test], seed=spec.seed) as record:
        learnt, scored = latent_views(train, training=True), latent_views(test)
        check_disjoint(learnt, scored, str(faces))
        learnt = learnt.chosen(_drawn(len(learnt.labels), spec))
        splits = {
            "pixels": (pixel_views(faces, learnt, spec.px), pixel_views(faces, scored, spec.px)),
            "latents": (learnt, scored),
        }
        record |= {"status": "probed", "dataset": Path(faces).parent.name, **_about(learnt, scored)}
        record["results"] = [
            {"input": name, "shape": list(test_split.views.shape[2:]), "probe": kind}
            | score(classify(kind, train_split, test_split, spec), test_split, spec.seed)
            for name, (train_split, test_split) in splits.items()
            for kind in ("linear", "cnn")
        ]


def pixel_views(ledger: Path | str, split: Views, px: int) -> Views:
    """The aligned faces of the samples of ``split``, resized to ``px``, uint8."""
    ledger = Path(ledger)
    rows = {row["sample_id"]: row for _, row in read_csv(ledger, COLUMNS)}
    if missing := next((name for name in split.sample_ids if name not in rows), None):
        raise FacetoryError(f"{ledger}: lacks {missing}, of which there are latents. Encode the faces again.")
    batch = pixels(ledger.parent, [rows[name] for name in split.sample_ids], px)
    return split._replace(views=np.stack([batch, batch[..., ::-1]], axis=1))


def check_disjoint(train: Views, test: Views, where: str) -> None:
    """Raise a `FacetoryError` that names a person of both splits; unknown people ('') are not compared."""
    if both := sorted(set(train.persons) & set(test.persons) - {""}):
        raise FacetoryError(
            f"{where}: {both[0]} is among the people of both splits ({len(both)} of them), so a probe may "
            "know faces instead of expressions. Split the dataset by people."
        )


def classify(kind: str, train: Views, test: Views, spec: ProbeSpec) -> np.ndarray:
    """The classes (n,) that a probe, "linear" or "cnn", trained on one split gives another."""
    if len(np.unique(train.labels)) < 2:
        raise FacetoryError("probes: the training split holds one class only. Index more of the dataset.")
    if kind == "linear":
        return linear_probe(train, test, spec)
    return cnn_probe(train, test, spec)


def linear_probe(train: Views, test: Views, spec: ProbeSpec) -> np.ndarray:
    """Logistic regression on the standardised values of images and mirror images; returns classes (n,)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    model = make_pipeline(
        StandardScaler(copy=False),
        LogisticRegression(C=spec.inverse_l2, max_iter=spec.iterations, tol=1e-3),
    )
    with threadpool_limits(spec.threads):
        model.fit(train.views.reshape(2 * len(train.labels), -1).astype(np.float32), train.labels.repeat(2))
        return model.predict(test.views[:, 0].reshape(len(test.labels), -1).astype(np.float32))


def cnn_probe(train: Views, test: Views, spec: ProbeSpec) -> np.ndarray:
    """A small CNN, trained on mirrored and shifted images; returns classes (n,)."""
    import torch

    from facetory.recognition.cnn import cnn, standardise
    from facetory.recognition.expressions import Expressions, log_probabilities
    from facetory.training.loop import train as run

    channels, _, side = train.views.shape[2:]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_key(spec.seed, "probe", "weights") >> 1)
        network = cnn(channels, side, len(train.classes), spec.widths, spec.dropout)
    standardise(network, train.views[:, 0])
    task = Expressions(train, network, torch.Tensor.float, spec.seed, "probe", label_smoothing=0.05)
    with TemporaryDirectory() as scratch:
        run(task, schedule_of(spec, task.size), scratch, scratch, key="probe", name="cnn", device="cpu")
    return log_probabilities(network, task.prepare, test.views[:, 0], 256).argmax(1).numpy()


def schedule_of(spec: ProbeSpec, size: int) -> Schedule:
    """AdamW with a short rise and a cosine fall of the rate, for the spec's epochs of ``size`` samples."""
    from facetory.training.loop import Schedule

    steps = max(1, spec.epochs * size // spec.batch_size)
    return Schedule(
        steps=steps,
        batch_size=spec.batch_size,
        lr=spec.lr,
        weight_decay=spec.weight_decay,
        warmup=max(1, steps // 10),
        decay="cosine",
        checkpoint_every=steps,
        threads=spec.threads,
        seed=spec.seed,
    )


def score(predictions: np.ndarray, test: Views, seed: int) -> dict[str, Any]:
    """Accuracy with its interval over people, as fractions."""
    people = clusters(test.persons, test.sample_ids)
    accuracy, low, high, n = mean_estimate(predictions == test.labels, people, seed)
    interval = [None if np.isnan(bound) else bound for bound in (low, high)]
    return {"accuracy": accuracy, "ci_low": interval[0], "ci_high": interval[1], "n": n}


def _drawn(count: int, spec: ProbeSpec) -> np.ndarray:
    """Positions of the training samples that are used, in order."""
    return np.sort(permutation(count, spec.seed, "probe", "samples")[: spec.train_limit])


def _about(train: Views, test: Views) -> dict[str, Any]:
    """Counts, and what guessing reaches: any class (chance), or the training split's commonest (majority)."""
    commonest = np.bincount(train.labels).argmax()
    return {
        "classes": train.classes,
        "training_images": len(train.labels),
        "training_people": len(set(train.persons) - {""}) or None,
        "test_images": len(test.labels),
        "test_people": len(set(test.persons) - {""}) or None,
        "chance": 1 / len(train.classes),
        "majority": float(np.mean(test.labels == commonest)),
    }
