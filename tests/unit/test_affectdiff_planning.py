"""Affect-Diff's YAML expanded: readings, shared runs, what a scale may not say, and what cannot run."""

import copy

import pytest
from facetory.affectdiff.registry import study
from facetory.affectdiff.requests import checked, configurations
from facetory.affectdiff.spec import BaselineSpec, RecognizerSpec
from facetory.pipeline.config import load_settings
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.registry import paper_file

PAPER = paper_file("affectdiff")


def expanded(scale="demo", reading="paper", placed=lambda name: None, **config):
    settings = load_settings({"scale": scale, "reading": reading, **config})
    return study(settings, placed, lambda name: None)


def run_of(found, plan, row):
    cell = next(cell for cell in found.plans[plan].cells if cell.row == row)
    return found.recognizers[cell.runs[0]]


def test_the_text_is_read_literally_at_scale_paper():
    run = run_of(expanded("paper", placed=lambda name: None), "affectdiff_table2", "Affect-Diff (ours), –")
    model = run.model
    assert (model.hidden, model.latent, model.heads, model.layers, model.prior_width) == (128, 128, 4, 2, 128)
    assert (run.epochs, run.patience, run.batch_size, run.lr, run.weight_decay) == (100, 35, 64, 5e-4, 1e-4)
    assert (run.beta, run.free_bits, run.lambda_diffusion, run.lambda_causal) == (0.1, 0.25, 0.05, 0.05)
    assert (run.split, run.labels, run.alignment.policy) == ("random", "argmax", "strict")


def test_the_released_code_differs_where_its_reading_says():
    found = expanded("paper", "code")
    run = run_of(found, "affectdiff_table2", "Affect-Diff (ours), –")
    assert (run.model.heads, run.model.prior_width, run.model.classifier_layers) == (8, 64, 3)
    assert (run.labels, run.curriculum, run.class_weights, run.alignment.policy) == (
        "swapped",
        "code",
        "sqrt_inverse",
        "code",
    )
    baseline = run_of(found, "affectdiff_table2", "MulT [3], 2019")
    assert (baseline.focal_gamma, baseline.augment, baseline.class_weights) == (0.0, False, "none")


def test_the_corrected_reading_masks_and_uncouples():
    run = run_of(expanded(reading="corrected"), "affectdiff_table2", "Affect-Diff (ours), –")
    assert run.model.masks
    assert run.clip_apart and run.streams_apart
    assert (run.labels, run.split, run.alignment.policy) == ("rule", "stratified", "masked")


def test_baselines_train_under_the_models_conditions():
    found = expanded()
    full = run_of(found, "affectdiff_table2", "Affect-Diff (ours), –")
    same = ("alignment", "split", "labels", "epochs", "patience", "batch_size", "lr", "focal_gamma")
    for row in ("TFN [2], 2017", "MulT [3], 2019", "MISA [4], 2020", "MMIM [5], 2021", "TETFN [6], 2022"):
        run = run_of(found, "affectdiff_table2", row)
        assert isinstance(run.model, BaselineSpec)
        assert {name: getattr(run, name) for name in same} == {name: getattr(full, name) for name in same}


def test_every_ablation_of_the_paper_changes_what_it_names():
    found = expanded()
    full = run_of(found, "affectdiff_table3", "Full Model")
    changed = {
        "No Diffusion Prior": {"prior_width"},
        "No Causal Graph": {"graph"},
        "No NOTEARS (Gumbel)": {"graph"},
        "No VAE (deterministic)": {"vae"},
        "No CFG": {"null_probability"},
    }
    for row, fields in changed.items():
        run = run_of(found, "affectdiff_table3", row)
        ours, theirs = full.model.model_dump(), run.model.model_dump()
        assert {key for key in ours if ours[key] != theirs[key]} == fields, row
        assert run.model_copy(update={"model": full.model}) == full, row
    assert not run_of(found, "affectdiff_table3", "No Stop-Gradient").stop_gradient


def test_no_loss_scale_couples_the_prior_where_nothing_should():
    asked = PAPER["ablations"]["coupling"]["rows"].values()
    models = configurations(PAPER, "paper")
    assert [models[row["model"]].fields["precision"] for row in asked] == ["no"] * 5
    found = expanded()  # on a CPU, where all precisions are "no", the run without a prior is the ablation's
    alone = run_of(found, "affectdiff_ablation_coupling", "No Diffusion Prior")
    assert alone == run_of(found, "affectdiff_table3", "No Diffusion Prior")


def test_main_results_have_three_seeds_and_share_their_runs():
    found = expanded()
    cells = {name: plan.cells for name, plan in found.plans.items()}
    assert all(cell.seeds == (42, 43, 44) for cell in cells["affectdiff_table2"])
    full = {cell.runs for cell in cells["affectdiff_table5"] if cell.runs}
    assert full == {cells["affectdiff_table2"][-1].runs}
    assert [cell.seeds for cell in cells["affectdiff_fig10"]][::2] == [(42,), (43,), (44,)]


def test_a_spec_survives_its_canonical_form():
    for run in expanded().recognizers.values():
        assert RecognizerSpec.parse(run.canonical()) == run


def test_without_the_corpus_every_cell_says_so():
    found = expanded("paper", placed=lambda name: f"{name} not placed: expected data/mosei")
    measured = [cell for plan in found.plans.values() for cell in plan.cells if cell.kind == "measured"]
    assert {cell.not_run for cell in measured} == {"cmu_mosei not placed: expected data/mosei"}
    assert not found.recognizers and not found.corpora


def test_features_that_are_not_placed_stop_only_what_reads_them(tmp_path):
    found = expanded("paper", data_root=str(tmp_path))
    reasons = {cell.id: cell.not_run for plan in found.plans.values() for cell in plan.cells}
    assert "bert" in reasons["affectdiff_table7/7-Class (−3 to +3)/Bal-Acc"]
    assert reasons["affectdiff_table2/Affect-Diff (ours), –/Val-BalAcc"] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metric": "balanced"}, "balanced"),
        ({"model": "ful"}, "full"),
        ({"slot": "moosei"}, "mosei"),
        ({"condition": "noise_0.3"}, "noise_0.5"),
        ({"seed": 3}, "seeds"),
    ],
)
def test_a_typo_in_a_cell_is_an_error(change, message):
    request = {
        "row": "r",
        "column": "c",
        "kind": "measured",
        "published": None,
        "metric": "robust",
        "slot": "mosei",
        "model": "full",
    }
    assert checked(request, PAPER["slots"], PAPER["models"], "here")
    with pytest.raises(FacetoryError, match=message):
        checked({**request, **change}, PAPER["slots"], PAPER["models"], "here")


def test_a_typo_in_a_model_is_an_error():
    paper = copy.deepcopy(PAPER)
    paper["models"]["full"] = {"hiden": 3}
    with pytest.raises(FacetoryError, match="hidden"):
        configurations(paper, "paper")
