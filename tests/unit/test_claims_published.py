"""Every claim's verdict on the numbers that its own paper prints."""

import pytest
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.registry import PAPERS
from facetory.report.claims.claim import claims_of
from facetory.report.claims.ledger import on_published

POSED = {posed.claim.id: posed for paper in PAPERS for posed in claims_of(paper)}

FAILS = {
    "emodc_zero_shot_below_27": "Zero-shot, AffectNet (28.14)",
    "emodc_noise_sfew": "Base, SFEW-2.0, σ_n = 50 (43.35), a difference of −2.07",
    "emodc_blur_rafdb": "POSTER [69], RAF-DB B, σ_b = 10 (78.68), a difference of −1.76",
    "emodc_blur_sfew": "Base, SFEW-2.0, σ_b = 10 (48.85), a difference of −0.91",
    "emodc_robust_over_discriminative": "POSTER [69], RAF-DB B, σ_b = 15 (78.1), a difference of −1.6",
    "emodc_discrepancy_improves_robustness": "FMDiT, SFEW-2.0, σ_n = 50 (33.26)",
    "emodc_cross_dataset": "SFEW-2.0 (51.72) against APViT [37], SFEW-2.0 (51.83), a difference of −0.11",
    "emodc_hundred_steps_200_times_slower": "(1573)",
    "smc_size_of_stable_diffusion": "parameters (113) against 430",
    "affectdiff_best_baseline_is_mult": "TETFN [6], 2022, Val-BalAcc (0.324)",
    "affectdiff_every_model_but_no_vae": "No Causal Graph, Fear (0.043)",
    "affectdiff_baselines_raw_accuracy": "MulT, Test-Acc (0.626) against Affect-Diff, Test-Acc (0.642)",
    "affectdiff_prior_most_important": "No Stop-Gradient, Val-BalAcc (0.291)",
    "affectdiff_notears_over_gumbel": "0.334 against Full Model, Val-BalAcc (0.384)",
    "adaptdiff_more_diverse": "FFHQ, IDiff-Face, Genuine mean (0.208)",
    "adaptdiff_improves_recognition": "C-WF, AdaptDiff, Avg (92.11) against C-WF, NegFaceDiff, Avg (92.23)",
    "adaptdiff_negatives_help": "FFHQ, NegFaceDiff, Avg (88.1) against FFHQ, IDiff-Face, Avg (88.2)",
}
"""Claims that their own tables contradict, with the numbers that do."""

UNPRINTED = {
    "emodc_large_lambda_unstable",
    "emodc_mean_class_accuracy",
    "emodc_errors_as_margins",
    "emodc_negative_errors",
    "emodc_peak_timestep_of_base",
    "emodc_peak_timestep_of_margins",
    "emodc_guidance_pronounced",
    "affectdiff_task_loss_dominates",
    *(name for name in POSED if name.startswith("smc_") and name != "smc_size_of_stable_diffusion"),
}

HOLDS = {
    "emodc_gains_over_base",
    "emodc_amdit_superior",
    "emodc_discrepancy_over_base",
    "emodc_codit_gains",
    "emodc_positive_prompt_best_on_rafdb",
    "emodc_hyper_parameters",
    "emodc_adaptive_margins_over_others",
    "emodc_positive_prompt_best",
    "emodc_one_step_over_multi_step",
    "emodc_gap_between_one_step_and_many",
    "emodc_compound_state_of_the_art",
    "emodc_over_prior_methods",
    "emodc_short_of_the_strongest",
    "emodc_noise_rafdb",
    "emodc_apvit_noise_poster_blur",
    "emodc_slower_than_discriminative",
    "affectdiff_over_strongest_baseline",
    "affectdiff_baselines_miss_minorities",
    "affectdiff_only_no_vae_finds_all",
    "affectdiff_no_vae_macro_f1",
    "affectdiff_test_accuracy",
    "affectdiff_auroc_favours_baselines",
    "affectdiff_prior_contributes",
    "affectdiff_graph_contributes",
    "affectdiff_stop_gradient",
    "affectdiff_ablations_below_full",
    "affectdiff_seeds_agree",
    "affectdiff_seeds_peak_together",
    "affectdiff_missing_vision_worst",
    "affectdiff_missing_audio_improves",
    "affectdiff_light_masking_improves",
    "affectdiff_robust_to_mild_noise",
    "affectdiff_validation_test_gap",
    "affectdiff_largest_and_best",
    "affectdiff_more_data",
    "affectdiff_modality_weights",
    "adaptdiff_identity_consistent",
    "adaptdiff_separability",
    "adaptdiff_genuine_std",
    "adaptdiff_generators_differ",
    "adaptdiff_fixed_w_drops",
    "adaptdiff_w_max_one",
    "adaptdiff_best_of_table1",
    "adaptdiff_ffhq_average",
    "adaptdiff_ffhq_ijbc_most",
    "adaptdiff_casia_competitive",
    "adaptdiff_augmentation_ffhq",
    "adaptdiff_augmentation_casia",
}


def test_every_claim_has_its_verdict_here():
    assert set(POSED) == HOLDS | UNPRINTED | set(FAILS)
    assert not HOLDS & UNPRINTED and not (HOLDS | UNPRINTED) & set(FAILS)


@pytest.mark.parametrize("name", sorted(HOLDS))
def test_what_the_tables_support_holds(name):
    assert on_published(POSED[name]).verdict == "holds"


@pytest.mark.parametrize("name", FAILS)
def test_what_a_paper_prints_against_its_own_claim_fails(name):
    found = on_published(POSED[name])
    assert found.verdict == "fails"
    assert FAILS[name] in found.detail


@pytest.mark.parametrize("name", sorted(UNPRINTED))
def test_a_claim_without_a_printed_number_is_not_judged(name):
    found = on_published(POSED[name])
    assert (found.verdict, found.detail) == ("not_run", "The paper prints no number for its cells.")


@pytest.mark.parametrize("paper", PAPERS)
def test_each_paper_has_ten_claims_that_quote_it_and_say_where(paper):
    own = [posed for posed in POSED.values() if posed.paper == paper]
    assert len(own) >= 10
    for posed in own:
        assert posed.claim.id.startswith(f"{paper}_") and posed.evidence
        assert "“" in posed.claim.text or paper in ("emodc", "affectdiff")
        assert posed.claim.source


def test_a_number_that_only_the_text_prints_counts():
    found = on_published(POSED["affectdiff_validation_test_gap"])
    assert found.value == pytest.approx(0.384 - 0.224)


def claims_file(tmp_path, text):
    path = tmp_path / "claims.yaml"
    path.write_text(text, encoding="utf-8")
    return path


CLAIM = "  - {id: a, text: t, source: s, predicate: {greater: ['emodc_table3:%s:AffectNet', 1]}}\n"


def test_an_unknown_cell_is_named_with_its_claim_and_file(tmp_path):
    path = claims_file(tmp_path, "paper: emodc\nclaims:\n" + CLAIM % "CoDit")
    with pytest.raises(FacetoryError, match=r"claims.yaml: a: .*Did you mean 'CoDiT'"):
        claims_of("emodc", path)


def test_an_id_is_given_once(tmp_path):
    path = claims_file(tmp_path, "paper: emodc\nclaims:\n" + 2 * (CLAIM % "CoDiT"))
    with pytest.raises(FacetoryError, match="a: used twice"):
        claims_of("emodc", path)
