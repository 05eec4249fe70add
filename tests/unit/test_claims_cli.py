"""The whole ledger on a results folder in which most tables are missing."""

import pytest
from fabricated import demo_study, fabricate
from facetory.cli.main import app
from facetory.emodc.cells import table
from facetory.pipeline.registry import PAPERS
from facetory.report.claims.claim import claims_of
from facetory.report.claims.ledger import read_claims
from facetory.report.plans import write_plans
from facetory.report.tables import write_table
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Table III of the demo, measured from fabricated records, and the plans."""
    study, root = demo_study(), tmp_path_factory.mktemp("demo")
    fabricate(study, root)
    write_table(table(study.plans["emodc_table3"], root), root / "tables")
    write_plans(root / "plans.json", {"scale": "demo"}, study.plans)
    return root


def ran(root, *options):
    found = CliRunner().invoke(app, ["claims", str(root), *options])
    assert found.exit_code == 0, found.output
    return found.output


def test_every_claim_is_judged_and_missing_tables_are_not_run(root):
    told = ran(root)
    rows = {row.id: row for row in read_claims(root / "claims.json").claims}
    assert set(rows) == {posed.claim.id for paper in PAPERS for posed in claims_of(paper)}
    there = rows["emodc_discrepancy_over_base"]
    assert there.on_published.verdict == "holds"
    assert there.on_regenerated.verdict == "not_comparable"
    assert "anny_basic stands in for RAF-DB B" in there.on_regenerated.detail
    assert "paired bootstrap over the same samples" in there.on_regenerated.detail
    assert "emodc_table3/CoDiT/AffectNet" in there.evidence and len(there.evidence) == 20
    missing = rows["affectdiff_stop_gradient"].on_regenerated
    assert missing.verdict == "not_run"
    assert "affectdiff_table3 is not in this results folder" in missing.detail
    for heading in ("on published", "on regenerated", "not_comparable", "not_run"):
        assert heading in told


def test_the_ledger_is_the_same_twice_and_goes_where_it_is_asked(root, tmp_path):
    ran(root)
    ran(root, "--out", str(tmp_path / "ledger.json"))
    assert (tmp_path / "ledger.json").read_bytes() == (root / "claims.json").read_bytes()


def test_without_plans_nothing_is_paired_and_it_says_so(root, tmp_path):
    write_table(table(demo_study().plans["emodc_table3"], root), tmp_path / "tables")
    assert "plans.json is missing" in ran(tmp_path).replace("\n", " ")
    rows = {row.id: row for row in read_claims(tmp_path / "claims.json").claims}
    assert "taken as independent" in rows["emodc_discrepancy_over_base"].on_regenerated.detail


def test_without_records_nothing_is_paired(root, tmp_path):
    study = demo_study()
    write_table(table(study.plans["emodc_table3"], root), tmp_path / "tables")
    write_plans(tmp_path / "plans.json", {"scale": "demo"}, study.plans)
    ran(tmp_path)
    rows = {row.id: row for row in read_claims(tmp_path / "claims.json").claims}
    assert "taken as independent" in rows["emodc_discrepancy_over_base"].on_regenerated.detail
