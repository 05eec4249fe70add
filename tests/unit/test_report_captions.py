from pathlib import Path
from types import SimpleNamespace

import pytest
from docutils.core import publish_parts
from fabricated import demo_study
from facetory.adaptdiff.registry import study as adaptdiff_study
from facetory.affectdiff.registry import study as affectdiff_study
from facetory.pipeline.config import WORKFLOW, load_settings
from facetory.smc.registry import study as smc_study
from jinja2 import Environment

OTHERS = [
    wing(load_settings({"scale": "demo"}), lambda name: None, lambda name: None).plans
    for wing in (smc_study, affectdiff_study, adaptdiff_study)
]
PLANS = demo_study().plans | OTHERS[0] | OTHERS[1] | OTHERS[2]
KINDS = {name: "figure" if "_fig" in name or "_tradeoff" in name else "table" for name in PLANS}
CASES = [*KINDS.items(), *((name, "figure") for name in PLANS if "_ablation_" in name)]


def caption(kind: str, name: str) -> str:
    """A caption as Snakemake's report renders it."""
    text = Path(WORKFLOW / "report" / f"{kind}.rst").read_text(encoding="utf-8")
    wildcards = SimpleNamespace(**{kind: name, "scale": "demo"})
    page = Environment(trim_blocks=True, lstrip_blocks=True).from_string(text)
    return page.render(snakemake=SimpleNamespace(wildcards=wildcards))


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_every_table_and_figure_has_a_caption(name, kind):
    text = caption(kind, name)
    assert f"snakemake {name}" in text
    assert "demo" in text
    body = publish_parts(text, writer="html", settings_overrides={"halt_level": 2})["body"]
    assert body.count("<p>") >= 1


def test_captions_differ():
    first = {caption(kind, name).replace(name, "").strip().splitlines()[0] for name, kind in CASES}
    assert len(first) == len(CASES)
