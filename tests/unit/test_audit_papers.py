"""What the audit finds in the four papers, one by one, and how it is asked for."""

import json

import pytest
from facetory.cli.main import app
from facetory.cli.study import load_study
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.registry import PAPERS
from facetory.report.audit.checks import audit
from facetory.report.audit.declared import declared
from facetory.report.audit.finding import read_audit, write_audit
from typer.testing import CliRunner

BY_ARITHMETIC = {
    # Two values of one quantity
    "repeated/emodc_table3/AMDiT (c_nn = c_p)/AffectNet": "63.89 in Table III, Fig. 6; 63.86 in Table IV",
    "repeated/emodc_table3/AMDiT (c_nn = c_p)/SFEW-2.0": "56.12 in Table VI, Table VII",
    "repeated/emodc_table4/APViT [37], Yes/SFEW-2.0": "61.92 in Table IV; 57.34 in Table VI, Table VII",
    # No share of 436 images, nor of the possible counts of FER2013Plus
    "granularity/emodc_table6/AMDiT (c_nn = c_p)/SFEW-2.0, clean": "244/436 = 55.963, 245/436 = 56.193",
    "granularity/emodc_table8/AMDiT (c_nn = c_nc)/SFEW-2.0": "226/436 = 51.835",
    "granularity/emodc_table6/POSTER++ [70]/SFEW-2.0, σ_n = 50": "86/436 = 19.725",
    "granularity/emodc_table7/POSTER++ [70]/SFEW-2.0, σ_b = 15": "183/436 = 41.972",
    "granularity/emodc_table4/APViT [37], Yes/SFEW-2.0": "270/436 = 61.927",
    "granularity/emodc_table8/POSTER [69]/FER2013Plus": "3137 (majority of the votes)",
    "coincidence/CoDiT, λ1 = 0.01/emodc_table1/CoDiT, λ1 = 0.001/1-step": "56.71 (1-step), 84.45 (100-step)",
    # The text against the tables
    "statement/emodc/zero_shot": "28.14 < 27",
    "statement/emodc/two_hundred_times": "43.322 near 200",
    "statement/emodc/beyond_noise_20": "41.28 > 43.35; 46.56 > 46.56; 44.27 > 45.18",
    "statement/emodc/beyond_blur_5": "76.92 > 78.68",
    "statement/emodc/discrepancy_and_noise": "37.84 > 43.35",
    "statement/emodc/cross_dataset": "51.72 > 51.83",
    "statement/emodc/one_variant": "4.26 near 4.86",
    "statement/emodc/rafdb_size": "19293 near 30000",
    "statement/smc/parameters": "0.131395 near 1",
    "statement/affectdiff/best_baseline": "0.324 = 0.278",
    "statement/affectdiff/gain_in_the_conclusion": "18.5185 near 38",
    "statement/affectdiff/second_highest": "0.278 > 0.324",
    "statement/affectdiff/most_important": "-0.093 = -0.092",
    "statement/affectdiff/notears": "0.384 = 0.334",
    "statement/affectdiff/seeds": "0.384 < 0.384; 28 < 28",
    "statement/affectdiff/minorities_together": "7.4 < 7",
    "statement/affectdiff/fear_share": "8 of 420",
    "statement/affectdiff/disgust_share": "12 of 420",
    "statement/affectdiff/only_no_vae_nonzero": "0.043 = 0; 0.031 = 0",
    "statement/affectdiff/five_times": "6.94488 near 5",
    "statement/affectdiff/training_rows": "16265 = 16001",
    "statement/affectdiff/standard_split": "22777 = 22860",
    "statement/affectdiff/weights_at_the_end": "1.03 near 1",
    "statement/affectdiff/diffusion_ramp": "0.45 near 0",
    "statement/affectdiff/ninety_percent_of_test": "225.446 near 90",
    "granularity/affectdiff_table2/TFN [2], 2017/Test-Acc": "329/494 = 0.6660, 330/494 = 0.6680",
    "granularity/affectdiff_table2/MMIM [5], 2021/Test-Acc": "335/494 = 0.6781",
    "granularity/affectdiff_table2/TETFN [6], 2022/Test-Acc": "296/494 = 0.5992, 297/494 = 0.6012",
    "granularity/affectdiff_table1/Majority class (Happy) share/Value": "325/494 = 65.79, 326/494 = 65.99",
    "recomputed/adaptdiff_table2/FFHQ, IDiff-Face*/Avg": "84.192",
    "recomputed/adaptdiff_table3/Authentic, LFW/FDR": "by rounding 33.3288 to 34.2980",
    "scan/adaptdiff_table1/IDiff-Face, 0/CPLFW": "listed as 77.57",
    "scan/adaptdiff_table1/AdaptDiff, 1.0/CALFW": "listed as 88.17",
    "statement/adaptdiff/early_sampling": "0.999 < 0.5",
    "statement/adaptdiff/more_diverse": "0.356 < 0.208",
    "statement/adaptdiff/better_on_average": "92.11 > 92.23",
    "statement/adaptdiff/better_on_ijbc": "23.77 > 23.88; 76.68 > 76.81; 76.85 > 77.38",
}
CURATED = {
    "emodc": {"sfew_comparators", "equal_comparators", "compound_transfer", "lban_il", "hyper_parameters"},
    "smc": {"charts", "realism"},
    "affectdiff": {
        "validation_score",
        "label_order",
        "number_of_samples",
        "test_accuracy",
        "no_stop_gradient",
    }
    | {"seed_logs", "robustness_of_baselines", "latency", "sentiment_features", "cyclic_kl", "softmax_range"},
    "adaptdiff": {"small_gain", "null_negative", "dcface", "terms"},
}
ROMAN = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"]
CONSISTENT = [
    "recomputed/emodc_table1/Base/Avg.",
    "recomputed/emodc_table9/EmoDC (10-step)/FPS",
    "recomputed/affectdiff_table3/No Diffusion Prior/Δ",
    "recomputed/affectdiff_table5/Missing vision/Δ clean",
    "recomputed/affectdiff_table2/MISA [4], 2020/F1",
    "recomputed/affectdiff_table3/No VAE (deterministic)/F1",
    "recomputed/adaptdiff_table3/FFHQ, AdaptDiff/FDR",
    "recomputed/adaptdiff_table1/IDiff-Face, 0/Avg",
    "granularity/adaptdiff_table1/AdaptDiff, 1.0/CFP-FP",
    "granularity/affectdiff_table2/Affect-Diff (ours), –/Test-Acc",
    "statement/affectdiff/split",
    "statement/affectdiff/seven_times",
    "statement/affectdiff/best_baseline_gain",
    "statement/emodc/gains",
]


@pytest.fixture(scope="module")
def found():
    return audit()


@pytest.fixture(scope="module")
def named(found):
    return {finding.id: finding for finding in found.findings}


@pytest.mark.parametrize(("name", "told"), BY_ARITHMETIC.items())
def test_arithmetic_finds_it_by_itself(named, name, told):
    finding = named[name]
    assert finding.outcome == "inconsistent" and not finding.curated
    assert told in finding.detail


@pytest.mark.parametrize("name", CONSISTENT)
def test_what_holds_is_said_to_hold(named, name):
    assert named[name].outcome == "consistent"


@pytest.mark.parametrize("paper", PAPERS)
def test_what_people_read_is_marked_so_and_names_its_evidence(found, paper):
    own = {f.id.rpartition("/")[2]: f for f in found.findings if f.paper == paper and f.curated}
    assert own.keys() >= CURATED[paper]
    assert all(f.evidence and f.detail and f.outcome != "consistent" for f in own.values())


def test_the_averages_recompute_but_for_one(found):
    average = [f for f in found.findings if f.id.startswith("recomputed/") and f.column in ("Avg", "Avg.")]
    assert len(average) == 10 + 5 + 17
    assert [f.row for f in average if f.outcome != "consistent"] == ["FFHQ, IDiff-Face*"]


def test_every_table_that_prints_numbers_is_looked_at(found):
    looked = {(f.paper, f.source) for f in found.findings if not f.curated and f.row}
    assert {("emodc", f"Table {n}") for n in ROMAN} <= looked
    assert {("affectdiff", f"Table {n}") for n in ROMAN[:7]} <= looked
    assert {("adaptdiff", f"Table {n}") for n in (1, 2, 3)} <= looked


def test_evidence_names_cells_of_the_study(found):
    cells = {cell.id for plan in load_study({"scale": "demo"}).plans.values() for cell in plan.cells}
    named = {e for f in found.findings for e in f.evidence if e.partition("_")[0] in PAPERS}
    assert named and named - cells == set()


def test_counts_are_those_of_the_findings(found):
    for paper, counts in found.counts.items():
        for outcome, n in counts.items():
            assert n == sum((f.paper, f.outcome) == (paper, outcome) for f in found.findings)


def test_an_audit_is_written_and_read_and_asked_for_by_paper(tmp_path):
    result = CliRunner(env={"COLUMNS": "400"}).invoke(
        app, ["audit", "--paper", "smc", "--out", str(tmp_path / "audit.json")]
    )
    assert result.exit_code == 0, result.output
    assert "smc: 2 consistent, 1 inconsistent" in result.output and "860 million" in result.output
    content = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))
    assert {f["paper"] for f in content["findings"]} == {"smc"} and set(content) == {"findings", "counts"}
    write_audit(tmp_path / "again.json", read_audit(tmp_path / "audit.json"))
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "audit.json").read_bytes()
    everything = CliRunner(env={"COLUMNS": "400"}).invoke(app, ["audit", "--paper", "smc", "--all"])
    assert "not checkable" in everything.output and len(everything.output) > len(result.output)


def test_an_unknown_paper_names_the_known_ones():
    with pytest.raises(FacetoryError, match=r"unknown paper 'emodic'. Known: .* Did you mean 'emodc'"):
        audit(["emodic"])


def test_declarations_are_checked(tmp_path, monkeypatch):
    (tmp_path / "papers" / "audit").mkdir(parents=True)
    (tmp_path / "papers" / "audit" / "emodc.yaml").write_text('{paper: emodc, unit: "%", statement: []}')
    monkeypatch.setattr("facetory.report.audit.declared.WORKFLOW", tmp_path)
    with pytest.raises(FacetoryError, match=r"emodc.yaml: .*unknown key 'statement'.*'statements'"):
        declared("emodc")
