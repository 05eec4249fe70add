import hashlib

import numpy as np
import pytest
from fabricated import cells_of, decided, paper_evaluation
from facetory.emodc.decision_figure import Scored, example, face_of, fig1, scored
from facetory.faces.corrupt import corrupt
from facetory.pipeline.files import FacetoryError
from facetory.report.spreadsheet import csv_text
from PIL import Image

CLASSES = ["happiness", "sadness", "anger"]
IDS = ["c", "a", "d", "b"]
LABELS = np.array([0, 1, 2, 0])
RIGHT = [True] * 4
HEADING = cells_of(["POSTER++ [70]", "EmoDC AMDiT"], ["clean", "σ_n = 50"])
NAMES = ["POSTER++ [70]", "EmoDC AMDiT"]


def classifier(right, ids=IDS):
    """A classifier that decides for the true class or for the one after it; −log p of 0.7, 0.2 and 0.1."""
    shift = np.where(right, 0, 1)
    order = (np.arange(3) - LABELS[: len(ids), None] - shift[:, None]) % 3
    return Scored(-np.log(np.array([0.7, 0.2, 0.1])[order]), LABELS[: len(ids)], list(ids), CLASSES)


def four(discriminative_noisy, diffusion_noisy=RIGHT, diffusion_clean=RIGHT):
    return {
        ("discriminative", "clean"): classifier(RIGHT),
        ("discriminative", "noisy"): classifier(discriminative_noisy),
        ("diffusion", "clean"): classifier(diffusion_clean),
        ("diffusion", "noisy"): classifier(diffusion_noisy),
    }


def test_the_example_is_the_first_by_id_that_has_the_pattern():
    assert example(four([False, True, False, False])) == ("b", 3, 0, 4)
    assert example(four([False, False, True, True], [True, False, True, False])) == ("c", 1, 1, 4)
    assert example(four([False, False, False, False], diffusion_clean=[True, False, True, False])).found == 2


def test_without_one_it_is_the_first_by_id():
    assert example(four(RIGHT)) == ("a", 0, 0, 4)
    assert example(four(RIGHT, [True, False, True, True])) == ("a", 0, 1, 4)


def test_only_samples_that_all_evaluations_hold_are_compared():
    decided_by = four([False] * 4)
    decided_by["diffusion", "noisy"] = classifier([True, True], ["d", "c"])
    assert example(decided_by).compared == 2
    decided_by["diffusion", "noisy"] = classifier([True], ["z"])
    with pytest.raises(FacetoryError, match="no sample in common"):
        example(decided_by)


def picture(sample_id, which):
    return np.full((6, 6, 3), {"clean": 40, "noisy": 90}[which] + ord(sample_id), np.uint8)


def test_fig1_shows_the_scores_of_the_example():
    figure, rows = fig1(HEADING, four([True, False, False, True]), picture)
    panels = np.reshape(figure.axes, (2, 3))
    np.testing.assert_array_equal(panels[0, 0].images[0].get_array(), picture("a", "clean"))
    np.testing.assert_array_equal(panels[1, 0].images[0].get_array(), picture("a", "noisy"))
    assert [axes.get_title() for axes in panels[:, 0]] == ["clean", "$\\sigma_{n}$ = 50"]
    marks = ["✓ right", "✓ right", "✗ wrong", "✓ right"]
    titles = [axes.get_title() for axes in panels[:, 1:].flat]
    assert titles == [f"{name}: {mark}" for name, mark in zip(NAMES * 2, marks, strict=True)]
    widths = [[bar.get_width() for bar in axes.patches] for axes in panels[:, 1:].flat]
    np.testing.assert_allclose(widths[0], [0.1, 0.7, 0.2])
    np.testing.assert_allclose(widths[2], [0.2, 0.1, 0.7])
    errors = -np.log([0.1, 0.7, 0.2])
    np.testing.assert_allclose(widths[1], 100 * (errors / errors.min() - 1), atol=1e-9)
    notes = [text.get_text() for text in panels[1, 1].texts]
    assert notes == ["0.20", "0.10, true class", "0.70, decision"]
    assert panels[0, 2].texts[1].get_text() == "0.00 %, decision, true class"
    assert "2 of 4 samples are so, 0 the other way round" in " ".join(figure.texts[0].get_text().split())
    assert len(rows) == 12 and {row["sample_id"] for row in rows} == {"a"}
    noisy = [row for row in rows if (row["picture"], row["kind"]) == ("σ_n = 50", "discriminative")]
    assert [row["value"] for row in noisy] == pytest.approx([0.2, 0.1, 0.7])
    assert {(row["true"], row["decision"]) for row in noisy} == {("sadness", "anger")}


def test_fig1_says_that_there_is_no_such_sample():
    figure, _ = fig1(HEADING, four(RIGHT), picture)
    assert "there is none that" in " ".join(figure.texts[0].get_text().split())


def test_fig1_says_what_was_not_run():
    decided_by = four([False] * 4) | {("diffusion", "noisy"): "its training failed"}
    figure, rows = fig1(HEADING, decided_by, picture)
    assert "its training failed" in figure.axes[5].texts[0].get_text()
    assert [row["not_run"] is not None for row in rows] == [True] * 4
    assert csv_text(rows[0], rows)


def test_scores_are_means_over_the_timesteps():
    spec = paper_evaluation((99, 499))
    records = decided([[0, 1], [2, 2]], [0, 2], spec)
    found = scored(records, (99, 499))
    np.testing.assert_allclose(found.errors, [[0.5, 0.5, 1], [1, 1, 0]])
    assert (found.sample_ids, found.classes) == (["s0", "s1"], CLASSES)


def test_the_face_is_the_aligned_one_under_its_corruption(tmp_path):
    (tmp_path / "images").mkdir()
    lines, faces = ["sample_id,split,label,person,sha256"], []
    for i, split in enumerate(("test", "test", "train")):
        face = np.random.default_rng(i).integers(0, 256, (20, 20, 3), dtype=np.uint8)
        faces.append(face)
        Image.fromarray(face).save(path := tmp_path / "images" / f"s{i}.png")
        lines.append(f"s{i},{split},happiness,p{i},{hashlib.sha256(path.read_bytes()).hexdigest()}")
    (tmp_path / "ledger.csv").write_text("\n".join(lines) + "\n")
    clean, noisy = (face_of(tmp_path / "ledger.csv", "test", "s1", name, 3) for name in ("clean", "noise50"))
    np.testing.assert_array_equal(clean, faces[1])
    np.testing.assert_array_equal(noisy, corrupt(clean, "noise50", "s1", 3))
    with pytest.raises(FacetoryError, match="split test has no face of sample s2"):
        face_of(tmp_path / "ledger.csv", "test", "s2", "clean", 0)
