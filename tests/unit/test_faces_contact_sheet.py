"""The contact sheets: a row a class, red frames where no face was found; a face under every corruption."""

import csv

import numpy as np
import pytest
from drawn import picture
from facetory.cli.faces import app
from facetory.data.labels import BASIC
from facetory.faces import contact_sheet
from facetory.faces.corrupt import NAMES, corrupt
from facetory.pipeline.files import FacetoryError, sha256_of
from PIL import Image
from typer.testing import CliRunner


def sheet(tmp_path, statuses, name="sheet.png", **options):
    rows = []
    for i, status in enumerate(statuses):
        picture(tmp_path / "images" / f"s{i}.png", i)
        rows.append({"sample_id": f"s{i}", "label": ("fear", "surprise")[i % 2], "status": status})
    contact_sheet.write(tmp_path / name, rows, tmp_path / "images", "set", **options)
    return np.asarray(Image.open(tmp_path / name)).astype(int)


def red(pixels):
    return (np.abs(pixels - contact_sheet.KEPT_WHOLE).sum(-1) == 0).sum()


def test_a_red_frame_marks_what_was_kept_whole(tmp_path):
    frames = [red(sheet(tmp_path, ["aligned"] * (6 - n) + ["kept_whole"] * n)) for n in range(3)]
    assert frames[0] == 0 and frames[1] > 4 * contact_sheet.TILE and frames[2] == 2 * frames[1]


def test_its_size_follows_from_classes_and_faces_shown(tmp_path):
    pixels = sheet(tmp_path, ["aligned"] * 6, per_class=2)
    step = contact_sheet.TILE + contact_sheet.GAP
    assert pixels.shape[:2] == (
        contact_sheet.HEADER + 2 * step + contact_sheet.GAP,
        contact_sheet.LABEL_WIDTH + 2 * step + contact_sheet.GAP,
    )


def test_classes_stand_in_their_canonical_order_with_their_faces(tmp_path):
    pixels = sheet(tmp_path, ["aligned"] * 2)
    assert BASIC.index("surprise") < BASIC.index("fear")
    top, left = contact_sheet.HEADER, contact_sheet.LABEL_WIDTH
    shown = pixels[top : top + contact_sheet.TILE, left : left + contact_sheet.TILE]
    with Image.open(tmp_path / "images" / "s1.png") as image:
        expected = image.resize((contact_sheet.TILE, contact_sheet.TILE), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(shown, np.asarray(expected))


def test_the_choice_of_faces_is_the_same_each_time(tmp_path):
    first = sheet(tmp_path, ["aligned"] * 20, "a.png", per_class=3)
    np.testing.assert_array_equal(first, sheet(tmp_path, ["aligned"] * 20, "b.png", per_class=3))


def aligned(folder, corruption="clean"):
    """A faces folder of one picture kept whole and one aligned; returns its ledger."""
    rows = [("sample_id", "split", "label", "person", "status", "sha256", "corruption")]
    for i, status in enumerate(("kept_whole", "aligned")):
        path = picture(folder / "images" / f"s{i}.png", i, px=32)
        rows.append((f"s{i}", "test", "fear", "", status, sha256_of(path), corruption))
    with (folder / "ledger.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows(rows)
    return folder / "ledger.csv"


def test_the_sheet_of_corruptions_shows_the_first_face_found_under_all_nine(tmp_path):
    ledger = aligned(tmp_path)
    words = ["corruptions", "--faces", str(ledger), "--output", str(tmp_path / "sheet.png")]
    result = CliRunner().invoke(app, [*words, "--noise-seed", "3"])
    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "sheet.png") as sheet, Image.open(tmp_path / "images" / "s1.png") as face:
        shown, source = np.asarray(sheet), np.asarray(face)
    step = 32 + contact_sheet.GAP
    for i, names in enumerate((("clean", *NAMES[:5]), NAMES[5:])):
        for j, name in enumerate(names):
            top, left = contact_sheet.HEADER + i * (step + contact_sheet.LINE), contact_sheet.GAP + j * step
            tile = shown[top : top + 32, left : left + 32]
            np.testing.assert_array_equal(tile, corrupt(source, name, "s1", 3), err_msg=name)


def test_the_sheet_of_corruptions_refuses_strangers_and_corrupted_faces(tmp_path):
    ledger = aligned(tmp_path)
    with pytest.raises(FacetoryError, match="has no sample nobody"):
        contact_sheet.write_corruptions(tmp_path / "sheet.png", ledger, "nobody")
    with pytest.raises(FacetoryError, match="went through blur5"):
        contact_sheet.write_corruptions(tmp_path / "sheet.png", aligned(tmp_path, "blur5"))
