import subprocess
import sys

import numpy as np
import pytest
from facetory.affectdiff.estimates import METRICS, check_seeds, difference, estimate, stored
from facetory.affectdiff.records import Records, write_records
from facetory.affectdiff.spec import CLASSES, CONDITIONS, BaselineSpec, RecognizerSpec
from facetory.data.mosei.spec import AlignmentSpec, CorpusSpec
from facetory.pipeline.files import FacetoryError, sha256_of, write_json
from scipy.stats import pearsonr
from sklearn.metrics import balanced_accuracy_score, f1_score, recall_score

VALIDATION, TEST = 70, 90


def records(seed=0, task="emotion", gain=1.5, drop=0.0):
    """Records whose predictions lean to the truth by ``gain``, by ``drop`` less under any corruption."""
    random = np.random.default_rng(seed)
    fixed = np.random.default_rng(100)
    classes = CLASSES[task]
    k = len(classes)
    sentiment = np.round(fixed.uniform(-3, 3, TEST), 1).astype(np.float32)
    true = fixed.integers(k, size=VALIDATION), fixed.integers(k, size=TEST)

    def drawn(labels, lean):
        logits = random.normal(size=(len(labels), k)) + lean * np.eye(k)[labels]
        return (logits - np.log(np.exp(logits).sum(1, keepdims=True))).astype(np.float32)

    under = [drawn(true[1], gain - drop * (c != "clean")) for c in CONDITIONS]
    ids = [[f"v{i % 20}[{i}]" for i in range(n)] for n in (VALIDATION, TEST)]
    videos = [[name.partition("[")[0] for name in part] for part in ids]
    return Records(
        drawn(true[0], gain), np.stack(under), *true, sentiment, ids[0], videos[0], ids[1], videos[1],
        list(CONDITIONS), list(classes), task,
    )  # fmt: skip


def said(log_probs):
    return log_probs.argmax(-1)


def test_scores_are_the_means_over_seeds_of_scikit_learns():
    runs = [records(seed) for seed in range(3)]
    labels = runs[0].test_labels
    expected = {
        "val_balanced_accuracy": [
            balanced_accuracy_score(r.validation_labels, said(r.validation)) for r in runs
        ],
        "test_balanced_accuracy": [balanced_accuracy_score(labels, said(r.test[0])) for r in runs],
        "accuracy": [np.mean(said(r.test[0]) == labels) for r in runs],
        "macro_f1": [f1_score(labels, said(r.test[0]), average="macro") for r in runs],
        "f1 Disgust": [f1_score(labels, said(r.test[0]), average=None)[4] for r in runs],
        "recall Fear": [recall_score(labels, said(r.test[0]), average=None)[3] for r in runs],
        "robust noise_0.5": [f1_score(labels, said(r.test[5]), average="macro") for r in runs],
        "robust_balanced missing_audio": [balanced_accuracy_score(labels, said(r.test[2])) for r in runs],
        "detected": [np.sum(f1_score(labels, said(r.test[0]), average=None) > 0) for r in runs],
    }
    for metric, values in expected.items():
        found = estimate(metric, runs)
        assert found.value == pytest.approx(np.mean(values)), metric
        assert found.low <= found.value <= found.high
        assert found.n == (VALIDATION if metric.startswith("val") else TEST)


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_has_a_value_and_an_interval(name):
    task = "sentiment7" if METRICS[name].sentiment else "emotion"
    what = {"class": " Sad", "condition": " missing_text", "": ""}[METRICS[name].of]
    found = estimate(name + what, [records(seed, task, gain=0.3, drop=0.1) for seed in range(2)])
    assert np.isfinite(found).all() and found.low <= found.value <= found.high and found.low < found.high


def test_the_difference_from_clean_is_paired():
    runs = [records(seed, drop=1.4) for seed in range(3)]
    clean, noised = (estimate(f"robust {c}", runs) for c in ("clean", "noise_2.0"))
    found = estimate("robust_delta noise_2.0", runs)
    assert found.value == pytest.approx(noised.value - clean.value) and found.high < 0
    assert estimate("robust_delta clean", runs)[:3] == (0, 0, 0)


def test_a_difference_of_rows_is_paired_and_changes_sign_with_them():
    good, bad = ([records(seed, gain=gain) for seed in range(3)] for gain in (2.5, 1.0))
    found, back = difference("macro_f1", good, bad), difference("macro_f1", bad, good)
    assert found.low > 0 and (back.value, back.low, back.high) == pytest.approx(
        (-found[0], -found[2], -found[1])
    )
    alone = [estimate("macro_f1", runs) for runs in (good, bad)]
    assert found.value == pytest.approx(alone[0].value - alone[1].value)
    assert found.high - found.low < sum(each.high - each.low for each in alone)
    deltas = [estimate("robust_delta missing_text", runs).value for runs in (good, bad)]
    assert difference("robust_delta missing_text", good, bad).value == pytest.approx(deltas[0] - deltas[1])


def test_rows_of_other_numbers_of_seeds_can_be_compared():
    found = difference("accuracy", [records(0)], [records(1), records(2)])
    assert found.value == pytest.approx(
        estimate("accuracy", [records(0)]).value - estimate("accuracy", [records(1), records(2)]).value
    )


@pytest.mark.parametrize(("task", "values"), [("sentiment7", range(-3, 4)), ("sentiment2", (-1, 1))])
def test_a_class_stands_for_its_sentiment(task, values):
    run = records(task=task)
    predicted = np.array(values)[said(run.test[0])]
    assert estimate("mae", [run]).value == pytest.approx(
        np.abs(predicted - run.test_sentiment).mean(), rel=1e-6
    )
    assert estimate("pearson", [run]).value == pytest.approx(
        pearsonr(predicted, run.test_sentiment)[0], rel=1e-6
    )


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("macro_f2", "Did you mean 'macro_f1'"),
        ("f1 Happyness", "Did you mean 'Happy'"),
        ("f1", "unknown class ''"),
        ("robust noise_0.7", "unknown condition"),
        ("accuracy Happy", "unknown word"),
        ("mae", "means nothing for emotion"),
    ],
)
def test_what_cannot_be_estimated_is_named(metric, message):
    with pytest.raises(FacetoryError, match=message):
        estimate(metric, [records()])


def test_runs_of_other_segments_or_tasks_are_not_mixed():
    one, other = records(0), records(1)
    other.test_segments.reverse()
    with pytest.raises(FacetoryError, match="test splits hold different segments"):
        difference("accuracy", [one], [other])
    assert np.isfinite(difference("val_balanced_accuracy", [one], [other]).value)
    with pytest.raises(FacetoryError, match="emotion and sentiment7"):
        estimate("accuracy", [records(), records(task="sentiment7")])
    with pytest.raises(FacetoryError, match="no score records"):
        estimate("accuracy", [])


def manifest(seed, digest):
    corpus = CorpusSpec(dataset="synthetic_mosei")
    spec = RecognizerSpec(
        dataset=corpus.dataset,
        model=BaselineSpec(network="tfn"),
        alignment=AlignmentSpec(corpus=corpus),
        seed=seed,
    )
    return {"seed": seed, "spec": spec.model_dump(mode="json"), "log_digest": digest}


def test_identical_logs_of_different_seeds_are_refused_by_name():
    copies = [manifest(42, "aa"), manifest(43, "bb"), manifest(44, "aa")]
    with pytest.raises(
        FacetoryError, match=r"tfn_lite-seed42-.* and .*tfn_lite-seed44-.* the same training log"
    ):
        check_seeds(copies)
    check_seeds(copies[:2])
    check_seeds([copies[0], copies[0], {"seed": 1, "status": "failed", "reason": "diverged"}])


def test_records_that_were_changed_are_refused(tmp_path):
    path = tmp_path / "records.safetensors"
    write_records(path, records())
    write_json(tmp_path / "manifest.json", {"outputs": {path.name: sha256_of(path)}})
    assert stored(path).test_segments == records().test_segments
    write_records(path, records(seed=5))
    stored.cache_clear()
    with pytest.raises(FacetoryError, match="differs from the hash"):
        stored(path)


def test_the_names_of_metrics_are_there_without_torch():
    line = "import sys, facetory.affectdiff.estimates; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", line], check=False).returncode == 0
