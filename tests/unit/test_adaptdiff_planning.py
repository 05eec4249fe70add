"""AdaptDiff's YAML expanded: published rows, shared sets, readings, and what cannot run."""

import pytest
from facetory.adaptdiff.planning import shard_count
from facetory.adaptdiff.registry import study
from facetory.adaptdiff.requests import checked
from facetory.pipeline.config import load_settings
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.registry import paper_file


@pytest.fixture(autouse=True)
def everything_placed(monkeypatch):
    monkeypatch.setattr("facetory.adaptdiff.planning.missing_identity", lambda name, root: None)


def expanded(scale="paper", reading="paper", placed=lambda name: None, **config):
    return study(load_settings({"scale": scale, "reading": reading, **config}), placed, lambda name: None)


def cells(found, plan, row):
    return [cell for cell in found.plans[f"adaptdiff_{plan}"].cells if cell.row == row]


def set_of(found, plan, row):
    return found.syntheses[cells(found, plan, row)[0].runs[0]]


def test_the_published_methods_are_what_the_text_says():
    found = expanded()
    rows = {"IDiff-Face": ("none", 1.0), "NegFaceDiff": ("constant", 0.5), "AdaptDiff": ("linear", 1.0)}
    for row, (schedule, w_max) in rows.items():
        own = set_of(found, "fig1", row)
        assert (own.guidance.schedule, own.guidance.w_max, own.guidance.negative) == (schedule, w_max, "far")
        assert (own.sampler.method, own.sampler.steps, own.sampler.released) == ("ddpm", 1000, False)
        assert (own.identities, own.images, own.pool.count, own.pool.size) == (10_000, 50, 10_050, 512)
        assert (own.alignment, own.px, own.generator.backbone) == ("mtcnn", 112, "vq-f4")


def test_generator_and_recogniser_are_trained_as_published():
    found = expanded()
    generator = set_of(found, "fig1", "AdaptDiff").generator
    assert (generator.architecture, generator.context_dropout, generator.steps) == (
        "idiff_face",
        0.25,
        150_000,
    )
    assert (generator.lr, generator.decay, generator.restart, generator.weight_decay) == (
        *(1e-4, "cosine_restarts", 10_000),
        0.0,
    )
    run = found.face_recognizers[cells(found, "table2", "FFHQ, AdaptDiff")[0].runs[0]]
    assert (run.network, run.margin, run.scale, run.batch_size) == ("iresnet50", 0.35, 64.0, 512)
    assert (run.lr, run.momentum, run.weight_decay, run.operations, run.magnitude) == (0.1, 0.9, 5e-4, 4, 16)
    assert run.selection == "validation" and run.benchmarks == ()


def test_rows_of_table_2_have_three_seeds_and_an_unaugmented_twin():
    found = expanded()
    plain, augmented = (
        [found.face_recognizers[run] for run in cells(found, "table2", row)[0].runs]
        for row in ("FFHQ, AdaptDiff*", "FFHQ, AdaptDiff")
    )
    assert [run.seed for run in plain] == [run.seed for run in augmented] == [0, 1, 2]
    assert [run.model_copy(update={"augment": True}) for run in plain] == augmented


def test_tables_1_to_3_share_their_faces():
    found = expanded()
    learnt = found.face_recognizers[cells(found, "table2", "C-WF, NegFaceDiff")[0].runs[0]]
    assert learnt.faces == f"syntheses/{cells(found, 'fig3', 'NegFaceDiff')[0].runs[0]}"
    ablation, table1 = (
        cells(found, "ablation_w_max", "AdaptDiff, 1.0"),
        cells(found, "table1", "AdaptDiff, 1.0"),
    )
    assert found.face_recognizers[table1[0].runs[0]].faces.endswith(ablation[0].runs[0])


def test_the_constant_control_spends_adaptdiffs_mean():
    own = set_of(expanded(), "ablation_schedule", "Constant at the mean")
    assert own.guidance.schedule == "constant"
    assert own.guidance.w_max == pytest.approx(1 - sum(range(0, 1000, 5)) / 200 / 1000)


def test_the_released_code_differs_where_its_reading_says():
    found = expanded(reading="code")
    own = set_of(found, "fig1", "AdaptDiff")
    assert own.sampler.released and own.generator.ema == 0.0 and own.alignment == "mtcnn_unshifted"
    run = found.face_recognizers[cells(found, "table2", "FFHQ, AdaptDiff")[0].runs[0]]
    assert run.selection == "test" and len(run.benchmarks) == 5
    assert {spec.far for spec in found.verifications.values()} == {"nearest"}


@pytest.mark.parametrize(("reading", "alignment"), [("paper", "mtcnn"), ("code", "mtcnn_unshifted")])
def test_faces_of_every_generator_are_aligned_but_casias_records_are_so_already(reading, alignment):
    found = expanded(reading=reading)
    assert {spec.alignment for spec in found.syntheses.values()} == {alignment}
    taken = {spec.dataset: spec.alignment for spec in found.face_sets.values()}
    assert taken == {"casia_webface": "none", "ffhq": alignment, "lfw_people": alignment}


def test_authors_weights_are_taken_where_they_are_placed(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "idiff_face_ffhq_cpd25.ckpt").write_bytes(b"")

    def placed(name):
        return f"{name} not placed" if name in ("ffhq", "casia_webface") else None

    found = expanded(placed=placed, data_root=str(tmp_path))
    assert [cell.not_run for cell in cells(found, "fig1", "AdaptDiff")] == [None] * 8
    assert cells(found, "fig3", "AdaptDiff")[0].not_run == "casia_webface not placed"
    assert cells(found, "leakage", "FFHQ, AdaptDiff")[0].not_run == "ffhq not placed"


def test_a_missing_benchmark_leaves_the_others_and_the_mean():
    found = expanded(
        "demo", placed=lambda name: "nowhere" if name in ("agedb_30", "calfw", "cplfw") else None
    )
    row = {cell.column: cell for cell in cells(found, "table1", "AdaptDiff, 1.0")}
    assert row["AgeDB"].not_run == "nowhere" and row["LFW"].not_run is None
    verified = [path for path in row["Avg"].inputs if path.startswith("verifications/")]
    assert sorted(verified) == sorted(row["LFW"].inputs[:1] + row["CFP-FP"].inputs[:1])


def test_stand_ins_of_training_and_of_the_benchmark_are_both_told():
    cell = cells(expanded("demo"), "table1", "AdaptDiff, 1.0")[0]
    assert (cell.dataset, cell.stand_in, cell.trained_on) == ("orl", True, "anny_basic")
    assert (cell.steps, cell.grid) == (200, 20)
    real = cells(expanded("demo"), "table1", "AdaptDiff, 1.0")[1]
    assert (real.dataset, real.stand_in, real.trained_on) == ("agedb_30", False, "anny_basic")


def test_shards_follow_the_scale():
    settings, found = load_settings({"scale": "paper"}), expanded()
    assert shard_count(set_of(found, "fig1", "AdaptDiff"), settings) == 100
    assert shard_count(set_of(found, "ablation_negatives", "Mid"), settings) == 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"slto": "ffhq"}, "unknown key 'slto'"),
        ({"slot": "fhq"}, "unknown slot 'fhq'"),
        ({"benchmark": "lwf"}, "unknown slot 'lwf'"),
        ({"metric": "err"}, "unknown metric 'err'"),
        ({"schedule": "cubic"}, "schedule"),
    ],
)
def test_a_typo_is_an_error_with_its_place(change, message):
    paper = paper_file("adaptdiff")
    request = {
        "row": "r",
        "column": "c",
        "kind": "measured",
        "published": None,
        "metric": "eer",
        "slot": "ffhq",
    }
    with pytest.raises(FacetoryError, match=message):
        checked({**request, **change}, paper["slots"], "adaptdiff.yaml: table1")


def test_published_averages_recompute_but_for_the_one_that_is_misprinted():
    tables = paper_file("adaptdiff")["tables"]
    rows = {**tables["table1"]["rows"], **tables["table2"]["rows"]}
    printed = {row: own["published"] for row, own in rows.items()}
    off = [row for row, values in printed.items() if abs(sum(values[:5]) / 5 - values[5]) > 0.01]
    assert off == ["FFHQ, IDiff-Face*"]
