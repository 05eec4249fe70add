"""Sums of cells by the records of the same samples, paper by paper."""

import numpy as np
import pytest
import smc_records
from affect_street import affect_diff
from fabricated import decided, evaluation, paper_evaluation, plan_of, planned
from facetory.adaptdiff import paired as adaptdiff
from facetory.affectdiff import paired as affectdiff
from facetory.affectdiff.estimates import difference
from facetory.emodc import paired as emodc
from facetory.metrics.bootstrap import clusters, mean_estimate
from facetory.pipeline.config import load_settings
from facetory.pipeline.files import sha256_of, write_json, write_tensors
from facetory.pipeline.registry import PlannedCell
from facetory.recognition.face_spec import BenchmarkSpec, VerificationSpec
from facetory.report.claims.pairing import Term
from facetory.smc import paired as smc
from facetory.smc import registry
from facetory.smc.estimates import stored
from test_affectdiff_cells import fabricate

N = 200
LABELS = np.zeros(N, dtype=int)


def answers(share, seed):
    """Decisions at two timesteps, right (class 0) for about a share of the images."""
    return (np.random.default_rng(seed).random((N, 2)) >= share).astype(int)


def emodc_cells(root, right, **changes):
    """A cell an evaluation, one a seed where it has several."""
    cells = []
    for name, seeds in right.items():
        evaluations = [f"{name}{i}" for i in range(len(seeds))]
        for own, decisions in zip(evaluations, seeds, strict=True):
            evaluation(root, own, decided(decisions, LABELS, paper_evaluation((99, 499))))
        cells.append(planned(name, (99,), evaluations, **changes))
    return cells


def test_emodcs_accuracies_are_subtracted_image_by_image(tmp_path):
    first = answers(0.6, 0)
    second = first.copy()
    second[:20, 0] = 1  # what both answered alike but for at most twenty images
    a, b = emodc_cells(tmp_path, {"a": [first], "b": [second]})
    plan = plan_of(a, b)
    found = emodc.combination([Term(1.0, plan, a), Term(-1.0, plan, b)], tmp_path)
    lost = (first[:, 0] == 0).astype(float) - (second[:, 0] == 0)
    expected = mean_estimate(lost, clusters([""] * N, [f"s{i}" for i in range(N)]))
    assert found.estimate == pytest.approx(expected)
    assert found.by_seed == pytest.approx((lost.mean(),))
    assert found.estimate.high - found.estimate.low < 0.1


def test_seeds_are_pooled_and_told_apart(tmp_path):
    right = {"a": [answers(0.7, 0), answers(0.8, 1)], "b": [answers(0.5, 2), answers(0.5, 3)]}
    a, b = emodc_cells(tmp_path, right)
    plan = plan_of(a, b)
    found = emodc.combination([Term(1.0, plan, a), Term(-2.0, plan, b)], tmp_path)
    share = {name: [(own[:, 0] == 0).mean() for own in seeds] for name, seeds in right.items()}
    by_seed = [x - 2 * y for x, y in zip(share["a"], share["b"], strict=True)]
    assert found.by_seed == pytest.approx(by_seed)
    assert found.estimate.value == pytest.approx(np.mean(by_seed))


def test_a_mean_of_columns_is_paired_too(tmp_path):
    decisions = answers(0.6, 0)
    (a,) = emodc_cells(tmp_path, {"a": [decisions]})
    late = planned("late", (499,), ["a0"])
    mean = planned("Avg.", (), ["a0"], mean_of=(a.id, late.id))
    plan = plan_of(a, late, mean)
    found = emodc.combination([Term(1.0, plan, mean), Term(-1.0, plan, a)], tmp_path)
    right = decisions == 0
    assert found.estimate.value == pytest.approx(right.mean() - right[:, 0].mean())


def test_other_seeds_images_or_metrics_are_not_paired(tmp_path):
    a, two = emodc_cells(tmp_path, {"a": [answers(0.6, 0)], "b": [answers(0.6, 1), answers(0.6, 2)]})
    evaluation(tmp_path, "c", decided(answers(0.6, 3)[:50], LABELS[:50], paper_evaluation((99, 499))))
    fewer = planned("c", (99,), ["c"])
    slope = planned("d", (99,), ["a0"], metric="slope null")
    quoted = planned("e", (), [], kind="quoted")
    for other in (two, fewer, slope, quoted):
        plan = plan_of(a, other)
        assert emodc.combination([Term(1.0, plan, a), Term(-1.0, plan, other)], tmp_path) is None


STUDY = registry.study(load_settings({"scale": "demo"}), lambda name: None, lambda name: None)


def smc_terms(plan, *wanted):
    own = STUDY.plans[plan]
    cells = {(cell.row, cell.column): cell for cell in own.cells}
    return [Term(coefficient, own, cells[row, column]) for coefficient, row, column in wanted]


@pytest.fixture
def edits(tmp_path):
    stored.cache_clear()
    for name, spec in STUDY.edits.items():
        smc_records.edit(tmp_path / "edits" / name, spec, spec.target)
    for name, spec in STUDY.measures.items():
        smc_records.measure(tmp_path / "measures" / name, spec, spec.edit.target)
    return tmp_path


def test_smcs_measures_are_subtracted_face_by_face(edits):
    wanted = smc_terms(
        "smc_table1", (1.0, "Noise strength, 0.7", "Emotion score"), (-1.0, "Noise strength, 0.2", "Identity")
    )
    assert (
        smc.combination(wanted, edits) is None
    )  # a face has no identity, and would be left out of one alone
    wanted = smc_terms(
        "smc_table1", (1.0, "Noise strength, 0.7", "Emotion score"), (-1.0, "Noise strength, 0.2", "Realism")
    )
    found = smc.combination(wanted, edits)
    assert found.estimate.value == pytest.approx(0.5 - 0.99)
    assert found.by_seed == pytest.approx((0.5 - 0.99,))
    assert found.estimate.n == 6


def test_a_flip_rate_counts_the_faces_that_could_flip(edits):
    one, other = ("Guidance scale, 1", "Flip rate"), ("Guidance scale, 2", "Flip rate")
    name = smc_terms("smc_table1", (1.0, *other))[0].cell.inputs[0].split("/")[1]
    smc_records.measure(edits / "measures" / name, STUDY.measures[name], flipped=(True,) * 6)
    stored.cache_clear()
    found = smc.combination(smc_terms("smc_table1", (1.0, *other), (-1.0, *one)), edits)
    assert found.estimate.value == pytest.approx(1 - 0.4)
    assert found.estimate.n == 5


def test_costs_and_distances_of_sets_are_not_paired(edits):
    for column in ("Seconds per image", "Fréchet"):
        wanted = smc_terms(
            "smc_table1", (1.0, "Guidance scale, 1", column), (-1.0, "Guidance scale, 2", column)
        )
        assert smc.combination(wanted, edits) is None


def affect_term(coefficient, metric, runs, inputs):
    cell = PlannedCell(
        id=f"t/{metric}",
        row="r",
        column=metric,
        metric=metric,
        unit="",
        runs=tuple(run.id for run in runs),
        inputs=tuple(inputs),
        seeds=tuple(run.seed for run in runs),
    )
    return Term(coefficient, plan_of(cell), cell)


def test_affectdiffs_scores_are_subtracted_under_the_same_resamples(tmp_path):
    full, other = affect_diff(), affect_diff(vae=False)
    (a, first), (b, second) = fabricate(tmp_path, full, 0.9), fabricate(tmp_path, other, 0.5)
    metric = "test_balanced_accuracy"
    terms = [affect_term(1.0, metric, [full], a), affect_term(-1.0, metric, [other], b)]
    found = affectdiff.combination(terms, tmp_path)
    assert found.estimate == difference(metric, [first], [second])
    assert found.by_seed == pytest.approx((found.estimate.value,))


def test_scores_of_other_splits_or_segments_are_not_paired(tmp_path):
    full, other = affect_diff(), affect_diff(vae=False)
    a, _ = fabricate(tmp_path, full)
    b, _ = fabricate(tmp_path, other, segments=[f"w{i // 3}[{i % 3}]" for i in range(60)])
    mine = affect_term(1.0, "macro_f1", [full], a)
    for metric, run, inputs in (
        ("val_balanced_accuracy", full, a),
        ("macro_f1", other, b),
        ("parameters", full, a),
    ):
        assert affectdiff.combination([mine, affect_term(-1.0, metric, [run], inputs)], tmp_path) is None


BENCHMARK = BenchmarkSpec(dataset="lfw")


def verification(root, name, distance, people=None):
    """A recogniser's distances of 40 pairs, half of them of one person, in ten folds."""
    same, fold = np.arange(40) % 2 == 0, np.repeat(np.arange(10), 4)
    benchmark = root / "benchmarks" / BENCHMARK.id
    write_tensors(benchmark / "pairs.safetensors", {"same": same}, {"people": people})
    path = root / "verifications" / name / "records.safetensors"
    write_tensors(path, {"distance": distance.astype(np.float32), "same": same, "fold": fold}, {})
    spec = VerificationSpec(model="dlib", benchmark=BENCHMARK).model_dump(mode="json")
    outputs = {path.name: sha256_of(path)}
    write_json(path.with_name("manifest.json"), {"status": "verified", "spec": spec, "outputs": outputs})
    cell = PlannedCell(
        id=f"t/{name}",
        row=name,
        column="LFW",
        inputs=(f"verifications/{name}/manifest.json",),
        seeds=(0,),
    )
    return Term(1.0, plan_of(cell), cell)


def test_adaptdiffs_accuracies_are_subtracted_pair_by_pair(tmp_path):
    same = np.arange(40) % 2 == 0
    right = np.where(same, 0.5, 1.5)
    worse = right.copy()
    worse[:8] = 2 - worse[:8]  # eight pairs, of the first two folds, the wrong way round
    a, b = verification(tmp_path, "a", right), verification(tmp_path, "b", worse)
    found = adaptdiff.combination([a, b._replace(coefficient=-1.0)], tmp_path)
    assert found.estimate.value == pytest.approx(0.2)
    assert found.by_seed == pytest.approx((0.2,))
    assert 0 < found.estimate.low < 0.2 < found.estimate.high < 0.5
    alike = adaptdiff.combination([a, a._replace(coefficient=-1.0)], tmp_path)
    assert (alike.estimate.value, alike.estimate.low, alike.estimate.high) == (0, 0, 0)


def test_an_error_rate_of_faces_is_not_paired(tmp_path):
    term = verification(tmp_path, "a", np.linspace(0, 2, 40))
    rate = term._replace(cell=term.cell.model_copy(update={"metric": "eer"}))
    assert adaptdiff.combination([term, rate], tmp_path) is None
