"""What SMC's tables and figures ask for: samplers, shared edits, guides and judges, reasons."""

from typing import get_args

import pytest
from facetory.pipeline.config import Settings, load_settings
from facetory.pipeline.files import FacetoryError
from facetory.smc import registry
from facetory.smc.estimates import EDIT_METRICS
from facetory.smc.planning import RECONSTRUCTED, not_independent
from facetory.smc.requests import Metric
from facetory.smc.sampler_spec import Sampler
from facetory.smc.scale import Images


def study(reading="paper", placed=lambda name: None, backbone=lambda name: None, **config):
    return registry.study(load_settings({"scale": "demo", "reading": reading, **config}), placed, backbone)


DEMO = study()


def edits_of(plan, study=DEMO):
    """(row, column) → the edit that a cell reads."""
    found = {}
    for cell in study.plans[plan].cells:
        for path in cell.inputs:
            if path.startswith("edits/"):
                found[cell.row, cell.column] = study.edits[path.split("/")[1]]
    return found


def test_defaults_of_the_sampler_are_the_papers_baseline():
    assert Sampler() == Sampler(
        particles=20, inference_steps=250, noise_strength=0.2, guidance_scale=5, resample_interval=1
    )


def test_the_ablation_moves_one_setting_around_the_baseline():
    edits = edits_of("smc_ablation_guidance_scale")
    samplers = {row: edit.sampler for (row, _), edit in edits.items()}
    assert [s.guidance_scale for s in samplers.values()] == [1, 2, 5, 10]
    assert {s.noise_strength for s in samplers.values()} == {0.2}
    assert {edit.target for edit in edits.values()} == {"happiness"}


def test_the_same_configuration_is_edited_once():
    table, figure = edits_of("smc_table1"), edits_of("smc_fig5")
    assert table["Guidance scale, 5", "Realism"] == table["Noise strength, 0.2", "Flip rate"]
    assert table["Inference steps, 50", "Realism"] == figure["Inference steps = 50", "Realism"]
    baseline = [e for e in DEMO.edits.values() if e.sampler == table["Guidance scale, 5", "ESS"].sampler]
    assert len({e.id for e in baseline if e.target == "happiness" and e.dataset == "anny_basic"}) == 1


def test_the_final_configuration_has_the_noise_strength_of_the_text():
    strengths = {
        e.sampler.noise_strength
        for plan in ("smc_fig6", "smc_fig7", "smc_table2")
        for e in edits_of(plan).values()
    }
    assert strengths == {0.23}


def test_samplers_of_table_2_differ_as_their_names_say():
    by_row = {row: e for (row, _), e in edits_of("smc_table2").items()}
    assert by_row["Literal (Algorithm 1)"].sampler.scored == "noisy"
    assert not by_row["Released code"].sampler.resample_last
    assert by_row["Corrected"].sampler.carry_weights and by_row["Corrected"].sampler.final == "weight"
    assert by_row["Best of N, equal compute"].sampler.method == "best_of_n"
    assert by_row["Gradient guidance"].guide.view == "latents"


def test_guide_and_judge_differ_in_network_and_data():
    for measure in DEMO.measures.values():
        assert measure.judge.network != measure.edit.guide.network
        assert measure.judge.dataset != measure.edit.guide.dataset
    assert all(
        spec.id in DEMO.classifiers for m in DEMO.measures.values() for spec in (m.judge, m.edit.guide)
    )


def test_scale_paper_is_the_papers():
    paper = registry.study(
        load_settings({"scale": "paper", "allow_cpu": True}), lambda name: None, lambda name: None
    )
    (model,) = paper.diffusions.values()
    assert (model.architecture, model.backbone, model.px, model.lr) == ("smc", "sd-vae-ft-ema", 256, 1e-4)
    assert not any(cell.stand_in for plan in paper.plans.values() for cell in plan.cells)
    reasons = set(paper.missing.values())
    assert any("facial_emotions_image_detection.safetensors" in reason for reason in reasons), reasons


def test_the_codes_reading_is_another_sampler_baseline_and_autoencoder():
    code = registry.study(
        load_settings({"scale": "paper", "reading": "code", "allow_cpu": True}),
        lambda n: None,
        lambda n: None,
    )
    assert {model.backbone for model in code.diffusions.values()} == {"sd15-vae"}
    edits = edits_of("smc_ablation_guidance_scale", study("code"))
    assert {e.target for e in edits.values()} == {"random"}
    assert {e.sampler.initial_noise for e in edits.values()} == {"own"}


def test_what_is_missing_is_said_and_asks_for_nothing():
    gone = study(placed=lambda name: "orl not placed" if name == "orl" else None)
    assert not gone.edits and not gone.diffusions
    assert {cell.not_run for cell in gone.plans["smc_table1"].cells if cell.kind == "measured"} == {
        "orl not placed"
    }
    assert gone.reconstructions, "the autoencoder alone needs no portraits"


def test_the_ceiling_has_only_what_a_reconstruction_has():
    kinds = {c.column: c.kind for c in DEMO.plans["smc_table1"].cells if c.row.startswith("Autoencoder")}
    assert {column for column, kind in kinds.items() if kind == "measured"} == {
        "Judge's score",
        "Identity",
        "Distance",
    }


def test_an_unknown_sampler_is_named(monkeypatch):
    paper = registry.paper_file("smc")
    paper["tables"]["table2"]["rows"] = {"Mine": {"sampler": "corected"}}
    monkeypatch.setattr(registry, "paper_file", lambda name: paper)
    with pytest.raises(FacetoryError, match=r"unknown sampler 'corected'.*Did you mean 'corrected'"):
        study()


WRONG = {
    "a field of the sampler": (
        {"guidence_scale": 2},
        "table2: unknown key 'guidence_scale'.*'guidance_scale'",
    ),
    "a target": ({"target": "hapy"}, "unknown target 'hapy'.*'happy'"),
    "a key": ({"decodr": "small"}, "unknown key 'decodr'.*'decoder'"),
    "a guide": ({"guide": "latent"}, "table2: guide:.*found 'latent'"),
    "a decoder": ({"decoder": "tiny"}, "decoder:.*found 'tiny'"),
    "a number of faces": ({"images": "many"}, "images:.*found 'many'"),
    "a metric": ({"metric": "flips"}, "metric:.*found 'flips'"),
    "a slot": ({"slot": "celeba"}, "unknown slot 'celeba'.*'celebahq'"),
    "a scheme": ({"scheme": "sistematic"}, "scheme:.*found 'sistematic'"),
    "a number": ({"particles": "twenty"}, "particles:.*found 'twenty'"),
    "what is subtracted": ({"minus": {"samplr": "none"}}, "table2: minus: unknown key 'samplr'"),
    "an infinite scale": ({"guidance_scale": float("inf")}, "guidance_scale:.*finite"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_row_with_a_mistake_is_an_error_and_no_other_experiment(monkeypatch, name):
    keys, message = WRONG[name]
    paper = registry.paper_file("smc")
    paper["tables"]["table2"]["rows"] = {"Mine": {"sampler": "paper"} | keys}
    monkeypatch.setattr(registry, "paper_file", lambda name: paper)
    with pytest.raises(FacetoryError, match=message):
        study()


def test_a_mistake_in_a_baseline_is_an_error(monkeypatch):
    paper = registry.paper_file("smc")
    paper["baseline"]["code"] = {"target": "random", "particels": 10}
    monkeypatch.setattr(registry, "paper_file", lambda name: paper)
    with pytest.raises(FacetoryError, match=r"baseline: code: unknown key 'particels'.*'particles'"):
        study()


def test_every_metric_can_be_asked_for():
    edits = {name.partition(" ")[0] for name in EDIT_METRICS}
    models = {"parameters", "last_loss", "samples_realism", *RECONSTRUCTED}
    assert {*get_args(Metric)} == edits | models


@pytest.mark.parametrize("what", ["network", "dataset"])
def test_a_judge_that_is_not_independent_judges_nothing(what):
    (guide, judge), *_ = {(m.edit.guide, m.judge) for m in DEMO.measures.values()}
    assert not_independent(guide, judge) is None
    same = judge.model_copy(update={what: getattr(guide, what)})
    assert f"the same {what}" in not_independent(guide, same)


def at_scale(**changes):
    """The study of a demo whose scale file says otherwise."""
    settings = load_settings({"scale": "demo"})
    own = Settings(config=settings.config, scale=settings.scale.model_copy(update=changes))
    return registry.study(own, lambda name: None, lambda name: None)


def test_a_slot_of_the_judge_filled_with_the_guides_data_is_a_reason():
    found = at_scale(slots=load_settings({"scale": "demo"}).scale.slots | {"smc_judge": "anny_basic"})
    reasons = {c.not_run for c in found.plans["smc_table2"].cells if c.kind == "measured"}
    assert len(reasons) == 1 and "the judge would not be independent" in reasons.pop()


def test_a_scale_may_say_some_numbers_of_faces():
    assert Images(ablation=3) == Images(ablation=3, comparison=100, shown=10)


SCALES = {
    "a key of a network": ({"guide": {"netwrok": "cnn"}}, "smc: guide.netwrok: unknown key.*'network'"),
    "a view": ({"judge": {"network": "cnn", "view": "latent"}}, "smc: judge.view:.*found 'latent'"),
    "a network": ({"guide": {"network": "cmm"}}, "cmm has no steps for slot 'smc_guide'. Add them"),
    "a kind of faces": ({"images": {"ablations": 3}}, "smc: images.ablations: unknown key.*'ablation'"),
    "a number": ({"particles": {"20": "few"}}, "smc: particles.20:.*found 'few'"),
}


@pytest.mark.parametrize("name", SCALES)
def test_a_mistake_in_a_scale_is_named(name):
    keys, message = SCALES[name]
    with pytest.raises(FacetoryError, match=f"demo.yaml: .*{message}" if "smc:" in message else message):
        at_scale(smc=load_settings({"scale": "demo"}).scale.smc | keys)


def test_a_scale_without_smc_or_its_slots_says_what_is_missing():
    with pytest.raises(FacetoryError, match=r"demo.yaml: smc: .*Field required"):
        at_scale(smc={})
    with pytest.raises(FacetoryError, match=r"demo.yaml: slots: SMC's slot 'celebahq' has no dataset"):
        at_scale(slots={})
