import numpy as np
import pytest
from fabricated import decided, demo_study, evaluation, failed, paper_evaluation, plan_of, planned
from facetory.emodc.cells import confusions, measure, table
from facetory.pipeline.files import FacetoryError
from facetory.report.cells import Cell

LABELS = [0, 0, 1, 1, 2]
# Decisions at timesteps 99 and 499; errors are 0 for the decided class and 1 for the others, so the mean over
# both prefers what either of them says, and the class that comes first where they disagree.
DECISIONS = [[0, 0], [1, 0], [1, 2], [2, 2], [0, 2]]


@pytest.fixture
def plan(tmp_path):
    evaluation(tmp_path, "e", decided(DECISIONS, LABELS, paper_evaluation((99, 499))))
    one = planned("1-step", (99,), ["e"], published=40.0)
    two = planned("2-step", (99, 499), ["e"], published=61.5)
    mean = planned("Avg.", (), ["e"], steps=None, grid=None, mean_of=(one.id, two.id))
    return plan_of(one, two, mean)


def test_hand_computed_accuracies_stand_in_their_cells(plan, tmp_path):
    cells = measure(plan, tmp_path)
    assert [cell.column for cell in cells] == ["1-step", "2-step", "Avg."]
    assert [cell.value for cell in cells] == pytest.approx([40, 60, 50])
    assert {cell.n for cell in cells} == {5}
    assert [cell.id for cell in cells] == [
        f"emodc_tableX/AMDiT/{name}" for name in ("1-step", "2-step", "Avg.")
    ]


def test_a_run_under_the_papers_own_protocol_is_judged(plan, tmp_path):
    cells = measure(plan, tmp_path)
    assert [cell.status for cell in cells] == ["reproduced", "reproduced", "new"]
    assert [cell.reason for cell in cells] == [None] * 3
    assert [cell.delta for cell in cells[:2]] == pytest.approx([0, -1.5])


def test_a_published_value_beyond_the_interval_is_outside(tmp_path):
    labels = np.arange(300) % 3
    right = np.arange(300) % 2 == 0
    decisions = np.where(right, labels, (labels + 1) % 3)[:, None]
    evaluation(tmp_path, "e", decided(decisions, labels, paper_evaluation((99,))))
    (cell,) = measure(plan_of(planned("1-step", (99,), ["e"], published=70.0)), tmp_path)
    assert (cell.status, cell.delta) == ("outside", pytest.approx(-20))
    half = 100 * 1.96 * np.sqrt(0.25 / 300)
    assert cell.ci_low == pytest.approx(50 - half, abs=1)
    assert cell.ci_high == pytest.approx(50 + half, abs=1)


def test_people_are_resampled_not_images(tmp_path):
    labels = np.zeros(40, dtype=int)
    decisions = np.repeat([0, 1, 0, 1], 10)[:, None]
    persons = np.repeat(["a", "b", "c", "d"], 10)
    evaluation(tmp_path, "e", decided(decisions, labels, paper_evaluation((99,)), persons))
    (cell,) = measure(plan_of(planned("1-step", (99,), ["e"])), tmp_path)
    assert (cell.value, cell.ci_low, cell.ci_high) == (50, 0, 100)


def test_a_mean_of_columns_is_bootstrapped_on_the_same_replicates(tmp_path):
    labels = np.zeros(60, dtype=int)
    first = np.arange(60) % 2
    evaluation(
        tmp_path,
        "e",
        decided(np.stack([first, 1 - first], 1), labels, paper_evaluation((99, 499))),
    )
    one, other = planned("a", (99,), ["e"]), planned("b", (499,), ["e"])
    mean = planned("Avg.", (), ["e"], mean_of=(one.id, other.id))
    cells = measure(plan_of(one, other, mean), tmp_path)
    assert cells[0].ci_high - cells[0].ci_low > 10
    assert (cells[2].value, cells[2].ci_low, cells[2].ci_high) == pytest.approx((50, 50, 50))


def test_a_mean_counts_every_part_even_when_two_ran_the_same_grid(tmp_path):
    evaluation(tmp_path, "e", decided(DECISIONS, LABELS, paper_evaluation((99, 499))))
    parts = [planned("a", (99,), ["e"]), planned("b", (499,), ["e"]), planned("c", (499,), ["e"])]
    mean = planned("Avg.", (), ["e"], mean_of=tuple(part.id for part in parts))
    assert measure(plan_of(*parts, mean), tmp_path)[-1].value == pytest.approx((40 + 60 + 60) / 3)


def test_seeds_are_averaged(tmp_path):
    right, wrong = [[label] for label in LABELS], [[(label + 1) % 3] for label in LABELS]
    for seed, decisions in enumerate((right, right, wrong)):
        evaluation(tmp_path, f"e{seed}", decided(decisions, LABELS, paper_evaluation((99,), seed)))
    (cell,) = measure(plan_of(planned("1-step", (99,), ["e0", "e1", "e2"])), tmp_path)
    assert cell.value == pytest.approx(200 / 3)
    assert (cell.n, cell.seeds) == (5, [0, 1, 2])
    assert cell.ci_low == cell.ci_high == pytest.approx(200 / 3)


def test_mean_class_accuracy_weighs_classes_alike(tmp_path):
    labels = [0, 0, 0, 0, 1, 2]
    evaluation(
        tmp_path,
        "e",
        decided([[0], [0], [0], [1], [1], [0]], labels, paper_evaluation((99,))),
    )
    (cell,) = measure(plan_of(planned("1-step", (99,), ["e"], metric="mean_class_accuracy")), tmp_path)
    assert cell.value == pytest.approx(100 * (0.75 + 1 + 0) / 3)


def test_confusions_count_true_rows_and_predicted_columns_over_seeds(tmp_path):
    for seed in (0, 1):
        evaluation(
            tmp_path, f"e{seed}", decided([[0], [1], [1], [2], [0]], LABELS, paper_evaluation((99,), seed))
        )
    found = confusions(plan_of(planned("1-step", (99,), ["e0", "e1"])), tmp_path)
    confusion = found["AMDiT", "1-step"]
    assert confusion.classes == ["happiness", "sadness", "anger"]
    assert confusion.counts.tolist() == [[2, 2, 0], [0, 2, 2], [2, 0, 0]]


@pytest.mark.parametrize(
    ("training", "cell", "reason"),
    [
        ({"steps": 200}, {}, "200 training steps (paper: 30000)"),
        ({"batch_size": 32}, {}, "batch size 32 (paper: 64)"),
        ({"px": 64}, {}, "px 64 (paper: 256)"),
        ({"backbone": "demo"}, {}, "backbone demo (paper: Stable Diffusion 2.1)"),
        ({"lr": 1e-3}, {}, "learning rate 0.001 (paper: 0.0001)"),
        ({"lora_rank": 4}, {}, "LoRA rank 4 (paper: 16)"),
        ({"detach_margin": True}, {}, "margin detached (paper: attached)"),
        ({}, {"steps": 100}, "1 timesteps (paper: 100)"),
        ({}, {"split": "validation"}, "split validation (paper: test)"),
        ({}, {"slot": "sfew"}, "30000 training steps (paper: 2000); split test (paper: validation)"),
    ],
)
def test_the_papers_data_at_another_budget_is_not_comparable(tmp_path, training, cell, reason):
    records = decided([[label] for label in LABELS], LABELS, paper_evaluation((99,), **training))
    evaluation(tmp_path, "e", records)
    (made,) = measure(plan_of(planned("1-step", (99,), ["e"], published=100.0, **cell)), tmp_path)
    assert (made.status, made.delta) == ("not_comparable", None)
    assert sorted(made.reason.split("; ")) == sorted(reason.split("; "))


def test_a_mean_is_not_comparable_when_a_part_ran_fewer_steps(tmp_path):
    evaluation(tmp_path, "e", decided(DECISIONS, LABELS, paper_evaluation((99, 499))))
    full, short = planned("1-step", (99,), ["e"]), planned("100-step", (99, 499), ["e"], steps=100)
    mean = planned("Avg.", (), ["e"], published=50.0, mean_of=(full.id, short.id), steps=None, grid=None)
    cells = measure(plan_of(full, short, mean), tmp_path)
    assert [cell.reason for cell in cells[1:]] == ["2 timesteps (paper: 100)"] * 2


def test_a_stand_in_is_named_with_all_else_that_differs(tmp_path):
    evaluation(tmp_path, "e", decided(DECISIONS, LABELS, paper_evaluation((99, 499), steps=200)))
    cell = planned("2-step", (99, 499), ["e"], published=60.0, dataset="anny_basic", stand_in=True)
    (made,) = measure(plan_of(cell, scale="demo"), tmp_path)
    assert made.status == "not_comparable"
    assert made.reason == "anny_basic stands in for RAF-DB B; 200 training steps (paper: 30000)"
    assert made.budget["training_steps"] == 200


def test_a_clean_cell_counts_the_images_that_are_corrupted_beside_it(tmp_path):
    labels = np.repeat([0, 1, 2], 4)
    spec = paper_evaluation((99,))
    evaluation(tmp_path, "e", decided(labels[:, None], labels, spec))
    few = planned("few", (99,), ["e"], images_per_class=2)
    made = measure(plan_of(planned("all", (99,), ["e"]), few), tmp_path)
    assert [cell.n for cell in made] == [12, 6]
    assert [cell.value for cell in made] == [100, 100]


def test_what_was_not_run_says_why(tmp_path):
    failed(tmp_path, "e", "its training failed: training diverged at step 41")
    evaluation(tmp_path, "ok", decided(DECISIONS, LABELS, paper_evaluation((99, 499))))
    cells = [
        planned("planned", (99,), ["none"], not_run="rafdb_basic not placed"),
        planned("failed", (99,), ["e"], published=40.0),
        planned("one seed", (99,), ["ok", "e"], published=40.0),
    ]
    made = measure(plan_of(*cells), tmp_path)
    assert {cell.status for cell in made} == {"not_run"}
    assert all(cell.value is cell.ci_low is cell.n is cell.delta is None for cell in made)
    assert [cell.reason for cell in made] == [
        "rafdb_basic not placed",
        "its training failed: training diverged at step 41",
        "seed 1: its training failed: training diverged at step 41",
    ]
    assert confusions(plan_of(*cells), tmp_path) == {}


def test_records_that_differ_from_their_manifest_are_refused(plan, tmp_path):
    other = decided([[0, 0]] * 5, LABELS, paper_evaluation((99, 499)))
    manifest = (tmp_path / "evaluations" / "e" / "manifest.json").read_text()
    evaluation(tmp_path, "e", other)
    (tmp_path / "evaluations" / "e" / "manifest.json").write_text(manifest)
    with pytest.raises(FacetoryError, match="differs from the hash"):
        measure(plan, tmp_path)


def test_a_missing_evaluation_is_an_error_not_an_empty_cell(plan, tmp_path):
    (tmp_path / "evaluations" / "e" / "manifest.json").unlink()
    with pytest.raises(FacetoryError, match=r"manifest\.json: the file is missing"):
        measure(plan, tmp_path)


def test_no_cell_of_the_paper_is_dropped_when_nothing_can_run(tmp_path):
    study = demo_study({f"anny_{kind}": "no anny" for kind in ("basic", "compound", "wild", "large", "grey")})
    counts = {}
    for name, plan in study.plans.items():
        made = table(plan, tmp_path)
        assert [(c.row, c.column, c.slot) for c in made.cells] == [
            (c.row, c.column, c.slot) for c in plan.cells
        ]
        measured = [c for c, asked in zip(made.cells, plan.cells, strict=True) if asked.kind == "measured"]
        assert all(cell.status == "not_run" and cell.reason for cell in measured)
        assert [cell.published for cell in made.cells] == [cell.published for cell in plan.cells]
        assert len({cell.id for cell in made.cells}) == len(made.cells)
        counts[name] = len(made.cells)
    assert counts["emodc_table1"] == 40
    assert counts["emodc_table2"] == 3
    assert counts["emodc_table3"] == 24
    assert counts["emodc_fig5"] == 12
    assert counts["emodc_fig6"] == 4 * 4 * (11 + 6)


@pytest.mark.parametrize(("scale", "command"), [("demo", ""), ("paper", " --config scale=paper")])
def test_the_command_remakes_the_table_at_its_scale(tmp_path, scale, command):
    (cell,) = measure(plan_of(planned("a", (99,), ["e"], not_run="no data"), scale=scale), tmp_path)
    assert isinstance(cell, Cell)
    assert cell.command == f"snakemake emodc_tableX{command}"
