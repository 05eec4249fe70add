import csv
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from fabricated import demo_study, fabricate
from facetory.cli import study as cli_study
from facetory.cli.tables import app
from facetory.emodc.ablation_figures import ablation
from facetory.emodc.cells import confusions, table
from facetory.emodc.draw import draw
from facetory.emodc.figures import abbreviations, fig5, fig6
from facetory.pipeline.config import load_settings
from facetory.report.cells import read_cells
from typer.testing import CliRunner

NOT_PLACED = "anny_wild not placed: expected data/anny_wild"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("evaluations")


@pytest.fixture(scope="module")
def study(root):
    made = demo_study({"anny_wild": NOT_PLACED})
    fabricate(made, root, failing="lambda_1_0.01-")
    return made


def words(axes):
    return " ".join(" ".join(text.get_text() for text in axes.texts).split())


def test_fig5_has_datasets_as_rows_and_variants_as_columns(study, root):
    plan = study.plans["emodc_fig5"]
    measured, counted = table(plan, root), confusions(plan, root)
    figure, rows = fig5(measured, counted)
    panels = np.reshape(figure.axes, (3, 4))
    assert [axes.get_ylabel().splitlines()[0] for axes in panels[:, 0]] == [
        "RAF-DB B",
        "RAF-DB C",
        "SFEW-2.0",
    ]
    titles = [axes.get_title().split(":")[0] for axes in panels[0]]
    assert titles == ["Base", "CoDiT", "FMDiT", "AMDiT"]
    cells = {(cell.row, cell.column): cell for cell in measured.cells}
    assert panels[1, 3].get_title() == f"AMDiT: {cells['AMDiT', 'RAF-DB C'].value:.2f} %"
    drawn = (
        100 * counted["AMDiT", "RAF-DB C"].counts / counted["AMDiT", "RAF-DB C"].counts.sum(1, keepdims=True)
    )
    np.testing.assert_allclose(panels[1, 3].images[0].get_array(), drawn)
    assert [t.get_text() for t in panels[1, 1].get_xticklabels()][:3] == ["HaSu", "HaDi", "SaFe"]
    assert all(NOT_PLACED in words(axes) for axes in panels[2])
    assert len(rows) == 4 * (7 * 7 + 11 * 11 + 1)


def test_fig5_writes_the_counts_it_draws(study, root, tmp_path):
    draw(study.plans["emodc_fig5"], root, tmp_path)
    with (tmp_path / "emodc_fig5.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    base = [row for row in rows if (row["slot"], row["variant"]) == ("rafdb_basic", "Base")]
    assert sum(int(row["count"]) for row in base) == 44
    assert sum(float(row["percent"]) for row in base) == pytest.approx(700)
    recall = np.mean([float(row["percent"]) for row in base if row["true"] == row["predicted"]])
    assert float(base[0]["mean_class_accuracy"]) == pytest.approx(recall)
    lost = [row for row in rows if row["slot"] == "sfew"]
    assert [(row["status"], row["reason"]) for row in lost] == [("not_run", NOT_PLACED)] * 4
    assert {path.name for path in tmp_path.iterdir()} == {
        f"emodc_fig5.{suffix}" for suffix in ("pdf", "png", "csv", "cells.json")
    }
    assert len(read_cells(tmp_path / "emodc_fig5.cells.json").cells) == 12


def test_fig6_draws_each_variant_at_its_cells(study, root):
    measured = table(study.plans["emodc_fig6"], root)
    figure, rows = fig6(measured)
    panels = np.reshape(figure.axes, (2, 4))
    assert [axes.get_title()[:3] for axes in panels.flat] == [f"({letter})" for letter in "abcdefgh"]
    assert panels[0, 1].get_title() == "(b) 1-step on RAF-DB C\n[anny_compound]"
    for axes, letter in ((panels[0, 0], "a"), (panels[1, 3], "h")):
        lines = {line.get_label(): line for line in axes.lines}
        for variant in ("Base", "CoDiT", "FMDiT", "AMDiT"):
            own = [row for row in rows if (row["panel"], row["variant"]) == (letter, variant)]
            values = [np.nan if row["value"] is None else row["value"] for row in own]
            np.testing.assert_allclose(lines[variant].get_ydata(), values)
            np.testing.assert_allclose(lines[variant].get_xdata(), [row["x"] for row in own])
    assert [row["x"] for row in rows[:11]] == [1, *range(100, 1001, 100)]
    assert len({line.get_marker() for line in panels[0, 0].lines if line.get_linestyle() == "-"}) == 4


def ran(steps, gap=" "):
    """What a label adds where scale demo runs another number of timesteps than the paper."""
    grid = load_settings({"scale": "demo"}).scale.emodc["grids"][steps]
    return "" if grid == steps else f"{gap}({grid} ran)"


def test_fig6_shows_published_points_hollow_and_what_was_not_run_grey(study, root):
    figure, rows = fig6(table(study.plans["emodc_fig6"], root))
    panels = np.reshape(figure.axes, (2, 4))
    hollow = [line for line in panels[1, 0].lines if line.get_markerfacecolor() == "none"]
    assert [line.get_xydata().tolist() for line in hollow][3] == [[0, 89.18], [1, 89.83], [2, 90.12]]
    assert "not run" in words(panels[1, 0])
    assert [label.get_text() for label in panels[1, 0].get_xticklabels()] == [
        "1",
        f"10{ran(10, chr(10))}",
        f"100{ran(100, chr(10))}",
        "200",
        "500",
        "1000",
    ]
    assert all(NOT_PLACED in words(axes) for axes in panels[:, 2])
    assert [text.get_text() for text in figure.legends[0].get_texts()][-1] == (
        "published, on the paper's own datasets"
    )
    assert {row["status"] for row in rows if row["point"] == "500-step"} == {"not_run"}
    assert "anny_basic for RAF-DB B" in figure.texts[0].get_text()


def test_an_ablation_has_base_first_and_a_strip_for_a_failed_run(study, root):
    measured = table(study.plans["emodc_ablation_lambda"], root)
    figure, rows = ablation(measured)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["Base", "0.001", "0.005", "0.01"]
    assert [t.get_text() for t in axes.get_legend().get_texts()] == [
        "1-step",
        f"10-step{ran(10)}",
        f"100-step{ran(100)}",
        "Base",
        "published, on RAF-DB B",
    ]
    base = {cell.column: cell.value for cell in measured.cells if cell.row == "Base"}
    dashed = [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == "--"]
    assert dashed == [base["1-step"], base["10-step"], base["100-step"]]
    assert [text.get_text() for text in axes.texts] == ["not run"]
    assert len(rows) == 4 * 3
    assert "diverged" in rows[-1]["reason"]


def test_the_prompts_become_dots_with_intervals(study, root):
    measured = table(study.plans["emodc_ablation_non_negative_prompt"], root)
    figure, _ = ablation(measured)
    (axes,) = figure.axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["$c_{nn}$ = $c_{nc}$", "$c_{nn}$ = $c_{p}$", "$c_{nn}$ = $\\varnothing$"]
    points = [line.get_xydata()[0].tolist() for line in axes.lines if len(line.get_xydata()) == 1]
    assert points == [[cell.value, place] for place, cell in enumerate(measured.cells)]


def test_an_ablation_without_data_is_a_panel_with_the_reason(tmp_path):
    nothing = demo_study({"anny_basic": "no anny"})
    figure, rows = ablation(table(nothing.plans["emodc_ablation_alpha"], tmp_path))
    assert words(figure.axes[0]) == "not run no anny"
    assert len(rows) == 12


def test_every_plan_draws_or_writes(study, root, tmp_path):
    for name in ("emodc_fig6", "emodc_ablation_alpha", "emodc_ablation_margin"):
        draw(study.plans[name], root, tmp_path)
        assert (tmp_path / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
        assert (tmp_path / f"{name}.pdf").read_bytes()[:4] == b"%PDF"


def test_class_labels_are_the_papers_and_stay_distinct():
    assert abbreviations(["surprise", "anger", "happily_disgusted"]) == ["Su", "An", "HaDi"]
    assert abbreviations(["surprise", "suspicion"]) == ["surprise", "suspicion"]


def test_the_command_line_makes_tables_and_figures(study, root, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        cli_study, "load_study", lambda config: asked.append(config) or SimpleNamespace(plans=study.plans)
    )
    (tmp_path / "evaluations").symlink_to(root / "evaluations")
    options = ["--settings", '{"scale": "demo"}', "--root", str(tmp_path)]
    for verb, name in (("make", "emodc_table2"), ("figure", "emodc_ablation_non_negative_prompt")):
        result = CliRunner().invoke(app, [verb, name, *options], catch_exceptions=False)
        assert result.exit_code == 0
    assert asked == [{"scale": "demo"}] * 2
    assert read_cells(tmp_path / "tables" / "emodc_table2.cells.json").rows == ["Acc."]
    assert (tmp_path / "figures" / "emodc_ablation_non_negative_prompt.png").is_file()
    lost = CliRunner().invoke(app, ["make", "emodc_tabel2", *options])
    assert "Did you mean 'emodc_table2'?" in str(lost.exception)


def test_tables_and_figures_need_no_torch():
    modules = "facetory.cli.tables, facetory.emodc.draw, facetory.report.tables, pandas, great_tables"
    code = f"import sys, {modules}; sys.exit(any(m.split('.')[0] == 'torch' for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
