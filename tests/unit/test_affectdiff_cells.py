"""Cells of Affect-Diff from fabricated runs: exact scores, differences, and copies that are refused."""

import json

import numpy as np
import pytest
from affect_street import affect_diff
from facetory.affectdiff.cells import table
from facetory.affectdiff.records import Records, write_records
from facetory.affectdiff.spec import CONDITIONS, EMOTIONS, ScoreSpec
from facetory.data.mosei.synthetic import planted
from facetory.pipeline.files import FacetoryError, sha256_of, write_json
from facetory.pipeline.registry import Plan, PlannedCell

N = 60


def log_probabilities(labels, right, random):
    """One-hot beliefs that hit the label in a share of the segments."""
    hit = random.random(len(labels)) < right
    chosen = np.where(hit, labels, (labels + 1) % 6)
    scores = np.full((len(labels), 6), 0.02) + 0.88 * np.eye(6)[chosen]
    return np.log(scores / scores.sum(1, keepdims=True)).astype(np.float32)


def fabricate(root, spec, right=0.8, digest=None, segments=None):
    """A run, its log and its scores; what a plan's cell reads."""
    random = np.random.default_rng(spec.seed)
    labels = np.arange(N) % 6
    folder = root / "recognizers" / spec.id
    folder.mkdir(parents=True)
    lines = [
        {
            "step": 5 * e,
            "validation": {"balanced_accuracy": 0.1 * e, "loss": 2 - 0.1 * e, "weight_text": 0.3 + 0.1 * e},
        }
        for e in (1, 2, 3)
    ]
    (folder / "progress.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    sizes = {"train": 581, "validation": N, "test": N}
    write_json(
        folder / "manifest.json",
        {
            "status": "trained",
            "seed": spec.seed,
            "spec": json.loads(spec.canonical()),
            "log_digest": digest or f"log of {spec.id}",
            "parameters": {"total": 2_000_000, "trainable": 1_500_000, "without_prior": 1_000_000},
            "training": {
                "best_step": 10,
                "steps_per_epoch": 5,
                "steps": 15,
                "device_name": "cpu",
                "last": {"task": 0.5},
            },
            "data": {
                "sizes": sizes,
                "class_counts": {"test": [30, 10, 10, 4, 4, 2]},
                "corpus": {"corpus": {"synthetic": True, "planted": planted()}},
            },
        },
    )
    score = ScoreSpec(train=spec)
    path = root / "scores" / score.id / "records.safetensors"
    ids = segments or [f"v{i // 3}[{i % 3}]" for i in range(N)]
    records = Records(
        validation=log_probabilities(labels, right, random),
        test=np.stack([log_probabilities(labels, right - 0.02 * i, random) for i in range(len(CONDITIONS))]),
        validation_labels=labels,
        test_labels=labels,
        test_sentiment=np.zeros(N, np.float32),
        validation_segments=ids,
        validation_videos=[name.split("[")[0] for name in ids],
        test_segments=ids,
        test_videos=[name.split("[")[0] for name in ids],
        conditions=list(CONDITIONS),
        classes=list(EMOTIONS),
        task="emotion",
        spec={},
    )
    write_records(path, records)
    manifest = {"status": "scored", "outputs": {path.name: sha256_of(path)}}
    write_json(path.with_name("manifest.json"), manifest)
    return [f"scores/{score.id}/manifest.json", f"recognizers/{spec.id}/manifest.json"], records


def cell(metric, runs, inputs, **own):
    shared = {"row": "r", "column": metric, "slot": "mosei", "slot_title": "CMU-MOSEI", "unit": ""}
    return PlannedCell(
        id=f"t/{metric}",
        metric=metric,
        runs=tuple(run.id for run in runs),
        inputs=tuple(inputs),
        seeds=tuple(run.seed for run in runs),
        dataset="synthetic_mosei",
        split="test",
        **{**shared, "stand_in": True, **own},
    )


def measured(root, *cells):
    plan = Plan(
        name="affectdiff_t",
        paper="affectdiff",
        title="T",
        source="S",
        scale="demo",
        reading="paper",
        cells=cells,
    )
    return table(plan, root).cells


def recall(log_probs, labels):
    right = log_probs.argmax(1) == labels
    return np.mean([right[labels == k].mean() for k in range(6)])


def test_a_score_is_the_mean_over_seeds_of_the_exact_one(tmp_path):
    runs = [affect_diff().model_copy(update={"seed": seed}) for seed in (42, 43)]
    inputs, records = zip(*[fabricate(tmp_path, run) for run in runs], strict=True)
    paths = [path for own in inputs for path in own]
    (found,) = measured(tmp_path, cell("test_balanced_accuracy", runs, paths, published=0.384))
    exact = np.mean([recall(own.test[0], own.test_labels) for own in records])
    assert found.value == pytest.approx(exact, abs=1e-9)
    assert found.ci_low < exact < found.ci_high
    assert found.n == N
    assert found.status == "not_comparable"
    assert "synthetic_mosei stands in for CMU-MOSEI" in found.reason
    assert "audio 1.5 σ" in found.budget["planted"]
    assert found.decimals == 3


def test_a_difference_is_taken_on_the_same_segments(tmp_path):
    full, other = affect_diff(), affect_diff(vae=False)
    (a, first), (b, second) = fabricate(tmp_path, full, 0.9), fabricate(tmp_path, other, 0.5)
    (found,) = measured(tmp_path, cell("test_balanced_accuracy minus", [full], [*a, *b]))
    wanted = recall(first.test[0], first.test_labels) - recall(second.test[0], second.test_labels)
    assert found.value == pytest.approx(wanted, abs=1e-9)
    assert 0 < found.ci_low < found.ci_high


def test_other_segments_have_no_difference(tmp_path):
    full, other = affect_diff(), affect_diff(vae=False)
    a, _ = fabricate(tmp_path, full)
    b, _ = fabricate(tmp_path, other, segments=[f"w{i}[0]" for i in range(N)])
    (found,) = measured(tmp_path, cell("macro_f1 minus", [full], [*a, *b]))
    assert (found.value, found.status) == (None, "not_run")
    assert "different segments" in found.reason


def test_copied_logs_stop_the_table(tmp_path):
    runs = [affect_diff().model_copy(update={"seed": seed}) for seed in (42, 43, 44)]
    inputs = [path for run in runs for path in fabricate(tmp_path, run, digest="the same")[0]]
    with pytest.raises(FacetoryError, match="different seeds and the same training log"):
        measured(tmp_path, cell("val_balanced_accuracy", runs, inputs))


def test_copied_logs_stop_a_table_whose_cells_have_one_seed_each(tmp_path):
    runs = [affect_diff().model_copy(update={"seed": seed}) for seed in (42, 43)]
    inputs = [fabricate(tmp_path, run, digest="the same")[0] for run in runs]
    cells = [cell("accuracy", [run], own) for run, own in zip(runs, inputs, strict=True)]
    with pytest.raises(FacetoryError, match="different seeds and the same training log"):
        measured(tmp_path, *cells)


def test_what_the_release_computed_otherwise_forbids_a_comparison(tmp_path):
    """The published validation scores are means over batches, and two of its classes are exchanged."""
    run = affect_diff()
    inputs, _ = fabricate(tmp_path, run)
    released = affect_diff(labels="swapped")
    own, _ = fabricate(tmp_path, released)
    asked = [("val_balanced_accuracy", run, inputs), ("f1 Fear", run, inputs), ("f1 Fear", released, own)]
    cells = [cell(metric, [of], paths, published=0.3, stand_in=False) for metric, of, paths in asked]
    validation, fear, as_released = measured(tmp_path, *cells)
    assert "published: a mean over batches" in validation.reason
    assert "published: exchanged" in fear.reason
    assert "exchanged" not in as_released.reason
    assert "exchanged as released" in as_released.budget["labels"]


def test_a_failed_run_says_why(tmp_path):
    run = affect_diff()
    inputs, _ = fabricate(tmp_path, run)
    write_json(tmp_path / inputs[1], {"status": "failed", "reason": "training diverged at step 3"})
    (found,) = measured(tmp_path, cell("accuracy", [run], inputs))
    assert found.status == "not_run"
    assert found.reason.endswith("training diverged at step 3")


def test_cells_about_the_run_itself(tmp_path):
    run = affect_diff()
    (_, manifest), _ = fabricate(tmp_path, run)
    names = (
        "parameters",
        "peak_epoch",
        "weight text",
        "last_loss task",
        "part train",
        "majority",
        "width audio",
    )
    cells = [cell(name, [run], [manifest]) for name in names]
    found = {own.metric: own.value for own in measured(tmp_path, *cells)}
    assert found == pytest.approx(
        {
            "parameters": 2.0,
            "peak_epoch": 2.0,
            "weight text": 0.5,
            "last_loss task": 0.5,
            "part train": 581,
            "majority": 0.5,
            "width audio": 4,
        }
    )


def test_a_trajectory_is_the_largest_difference_over_seeds_and_epochs(tmp_path):
    runs, paths = [], []
    for seed, shift in ((42, 0.0), (43, 0.25)):
        own, other = affect_diff(), affect_diff(prior_width=0)
        for run in (own, other):
            run = run.model_copy(update={"seed": seed})
            paths.append(fabricate(tmp_path, run)[0][1])
            runs.append(run)
        log = tmp_path / "recognizers" / runs[-1].id / "progress.jsonl"
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        lines[1]["validation"]["loss"] += shift
        log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (found,) = measured(tmp_path, cell("trajectory minus", runs[0::2], paths))
    assert found.value == pytest.approx(0.25)
    assert found.n is None
