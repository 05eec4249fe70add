"""The stage from an index to aligned faces: what it leaves, how it resumes, and that nothing is dropped."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from drawn import face, picture
from facetory.data import images
from facetory.data.index import Sample, write_index
from facetory.data.labels import BASIC
from facetory.faces import align as stage
from facetory.faces import crop
from facetory.faces.align import align
from facetory.faces.corrupt import corrupt
from facetory.faces.views import choose
from facetory.pipeline.files import FacetoryError, sha256_of
from PIL import Image


def dataset(folder, number=4):
    """An index of drawn faces, the last one a picture without a face."""
    samples = []
    for i in range(number):
        name, split = f"s{i}", "train" if i % 2 else "test"
        path = folder / "source" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if i == number - 1:
            picture(path, i, px=40)
        else:
            Image.fromarray(face(80, ((0.45 + 0.02 * (i % 5), 0.5, 0.6),), (i % 200, 90, 120))).save(path)
        caption = f"face {i}, drawn"
        samples.append(Sample(name, split, BASIC[i % 7], f"p{i}", f"source/{name}.png", caption))
    write_index(folder, samples, BASIC)
    return folder / "index.csv"


def ledger(folder):
    with (folder / "ledger.csv").open(newline="") as handle:
        return list(csv.DictReader(handle))


def states(folder):
    return {path.name: path.stat().st_mtime_ns for path in (folder / "images").iterdir()}


def test_every_sample_has_a_face_and_a_row(tmp_path):
    align(dataset(tmp_path), tmp_path / "faces", align_px=64)
    rows = ledger(tmp_path / "faces")
    assert [row["sample_id"] for row in rows] == ["s0", "s1", "s2", "s3"]
    assert [row["status"] for row in rows] == ["aligned"] * 3 + ["kept_whole"]
    assert (
        rows[2]["caption"] == "face 2, drawn" and rows[2]["person"] == "p2" and rows[2]["label"] == "disgust"
    )
    assert tuple(rows[0]) == stage.COLUMNS
    for row in rows:
        path = tmp_path / "faces" / "images" / f"{row['sample_id']}.png"
        assert row["sha256"] == sha256_of(path)
        assert row["source_sha256"] == sha256_of(tmp_path / "source" / f"{row['sample_id']}.png")
        with Image.open(path) as image:
            assert image.size == (64, 64) and image.mode == "RGB"
    assert {path.name for path in (tmp_path / "faces").iterdir()} == {
        "images",
        "ledger.csv",
        "contact_sheet.png",
        "manifest.json",
    }
    record = json.loads((tmp_path / "faces" / "manifest.json").read_text())
    assert record["by_split"] == {
        "test": {"aligned": 2, "kept_whole": 0},
        "train": {"aligned": 1, "kept_whole": 1},
    }
    assert record["spec"]["align_px"] == 64 and record["samples"] == 4


def test_the_number_of_processes_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "CHUNK", 2)
    index = dataset(tmp_path, 6)
    align(index, tmp_path / "one", align_px=48, processes=1)
    align(index, tmp_path / "two", align_px=48, processes=2)
    assert (tmp_path / "one" / "ledger.csv").read_bytes() == (tmp_path / "two" / "ledger.csv").read_bytes()


def test_a_finished_run_does_nothing_again(tmp_path):
    index = dataset(tmp_path)
    align(index, tmp_path / "faces", align_px=48)
    before, rows = states(tmp_path / "faces"), ledger(tmp_path / "faces")
    align(index, tmp_path / "faces", align_px=48)
    assert states(tmp_path / "faces") == before and ledger(tmp_path / "faces") == rows


def test_only_what_is_gone_torn_or_changed_is_made_again(tmp_path):
    index = dataset(tmp_path, 6)
    align(index, tmp_path / "faces", align_px=48)
    before, rows = states(tmp_path / "faces"), ledger(tmp_path / "faces")
    images = tmp_path / "faces" / "images"
    (images / "s0.png").unlink()
    (images / "s1.png").write_bytes((images / "s1.png").read_bytes()[:100])
    Image.fromarray(face(80, ((0.5, 0.5, 0.7),))).save(tmp_path / "source" / "s2.png")
    align(index, tmp_path / "faces", align_px=48)
    after = states(tmp_path / "faces")
    assert {name for name in after if after[name] != before.get(name)} == {"s0.png", "s1.png", "s2.png"}
    again = ledger(tmp_path / "faces")
    assert [i for i in range(6) if again[i] != rows[i]] == [2]


def test_other_settings_make_every_face_again(tmp_path):
    index = dataset(tmp_path)
    align(index, tmp_path / "faces", align_px=48)
    align(index, tmp_path / "faces", align_px=48, margin=0.5)
    align(index, tmp_path / "fresh", align_px=48, margin=0.5)
    assert ledger(tmp_path / "faces") == ledger(tmp_path / "fresh")


def test_labels_follow_the_index_though_the_faces_stay(tmp_path):
    index = dataset(tmp_path)
    align(index, tmp_path / "faces", align_px=48)
    before = states(tmp_path / "faces")
    index.write_text(index.read_text().replace("s0,test,surprise", "s0,test,anger"))
    align(index, tmp_path / "faces", align_px=48)
    assert ledger(tmp_path / "faces")[0]["label"] == "anger" and states(tmp_path / "faces") == before


def test_faces_that_the_index_no_longer_names_are_removed(tmp_path):
    align(dataset(tmp_path, 5), tmp_path / "faces", align_px=48)
    align(dataset(tmp_path, 3), tmp_path / "faces", align_px=48)
    assert set(states(tmp_path / "faces")) == {"s0.png", "s1.png", "s2.png"}


def test_killed_at_work_it_goes_on_and_ends_the_same(tmp_path):
    index = dataset(tmp_path, 40)
    program = (
        "import sys\nfrom facetory.faces import align as stage\nstage.CHUNK = 4\n"
        "stage.align(sys.argv[1], sys.argv[2], align_px=48)"
    )
    arguments = [sys.executable, "-c", program, str(index), str(tmp_path / "faces")]
    child = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
    part = None
    while part is None or part.read_text().count("\n") < 9:
        assert child.poll() is None
        part = next((tmp_path / "faces").glob(".ledger.*.part.csv"), None)
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.wait()
    torn = part.read_text()[:-2]
    part.write_text(torn)
    done = {line.split(",")[0] for line in torn.splitlines()[1:-1]}
    before = states(tmp_path / "faces")
    assert 7 <= len(done) < 40
    align(index, tmp_path / "faces", align_px=48)
    after = states(tmp_path / "faces")
    assert all(after[f"{name}.png"] == before[f"{name}.png"] for name in done)
    align(index, tmp_path / "fresh", align_px=48)
    assert ledger(tmp_path / "faces") == ledger(tmp_path / "fresh")


def test_a_broken_picture_is_named_and_what_was_done_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "CHUNK", 1)
    index = dataset(tmp_path)
    source = tmp_path / "source" / "s2.png"
    whole = source.read_bytes()
    source.write_bytes(whole[:200])
    with pytest.raises(FacetoryError, match=r"source/s2\.png: the image cannot be decoded"):
        align(index, tmp_path / "faces", align_px=48)
    assert not (tmp_path / "faces" / "manifest.json").exists()
    before = states(tmp_path / "faces")
    source.write_bytes(whole)
    align(index, tmp_path / "faces", align_px=48)
    after = states(tmp_path / "faces")
    assert all(after[name] == before[name] for name in ("s0.png", "s1.png"))


def test_an_error_in_a_worker_process_is_the_same_error(tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "CHUNK", 2)
    index = dataset(tmp_path)
    (tmp_path / "source" / "s1.png").unlink()
    with pytest.raises(FacetoryError, match=r"source/s1\.png: the image is missing"):
        align(index, tmp_path / "faces", align_px=48, processes=2)


def test_a_worker_that_is_killed_is_explained(tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "CHUNK", 2)
    monkeypatch.setattr(stage, "align_chunk", die)
    with pytest.raises(FacetoryError, match=r"a worker process was killed .* fewer processes"):
        align(dataset(tmp_path), tmp_path / "faces", align_px=48, processes=2)


def die(jobs, settings, threads):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_rotated_photograph_is_set_upright_first(tmp_path):
    index = dataset(tmp_path, 2)
    exif = Image.Exif()
    exif[0x0112] = 6
    source = tmp_path / "source" / "s0.png"
    upright = np.asarray(Image.open(source))
    Image.fromarray(np.rot90(upright)).save(source, exif=exif)
    align(index, tmp_path / "rotated", align_px=48)
    Image.fromarray(upright).save(source)
    align(index, tmp_path / "upright", align_px=48)
    first, second = (ledger(tmp_path / name)[0] for name in ("rotated", "upright"))
    assert first["status"] == "aligned" and first["sha256"] == second["sha256"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"selection": "nicest"}, "selection 'nicest' is unknown. Choose one of largest"),
        ({"align_px": 0}, "align_px, processes and threads must be at least 1"),
        ({"margin": -0.1}, "margin at least 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path, options, message):
    with pytest.raises(FacetoryError, match=message):
        align(dataset(tmp_path, 2), tmp_path / "faces", **options)


def test_a_missing_index_is_named(tmp_path):
    with pytest.raises(FacetoryError, match=r"index\.csv: the file is missing"):
        align(tmp_path / "index.csv", tmp_path / "faces")


def test_a_picture_is_corrupted_at_its_own_resolution_and_then_aligned(tmp_path):
    index = dataset(tmp_path)
    align(index, tmp_path / "clean", align_px=64)
    align(index, tmp_path / "noisy", align_px=64, corruption="noise20", noise_seed=5)
    clean, noisy = ledger(tmp_path / "clean"), ledger(tmp_path / "noisy")
    assert {(row["corruption"], row["noise_seed"]) for row in clean} == {("clean", "0")}
    assert {(row["corruption"], row["noise_seed"]) for row in noisy} == {("noise20", "5")}
    source = images.read_image(tmp_path / "source" / "s0.png")
    expected, _ = crop.align_image(corrupt(source, "noise20", "s0", 5), crop.Alignment(64))
    with Image.open(tmp_path / "noisy" / "images" / "s0.png") as image:
        np.testing.assert_array_equal(np.asarray(image), expected)
    assert all(a["sha256"] != b["sha256"] for a, b in zip(clean, noisy, strict=True))
    spec = json.loads((tmp_path / "noisy" / "manifest.json").read_text())["spec"]
    assert (spec["order"], spec["corruption"], spec["noise_seed"]) == ("corrupt_then_align", "noise20", 5)


def test_faces_that_a_corruption_hides_are_kept_whole_and_counted(tmp_path):
    index = dataset(tmp_path)
    align(index, tmp_path / "faces", align_px=32, corruption="blur15")
    rows = ledger(tmp_path / "faces")
    hidden = sum(row["status"] == "kept_whole" for row in rows)
    assert hidden > 1, "the clean pictures hold one without a face"
    by_split = json.loads((tmp_path / "faces" / "manifest.json").read_text())["by_split"]
    assert sum(split["kept_whole"] for split in by_split.values()) == hidden
    assert sum(sum(split.values()) for split in by_split.values()) == len(rows) == 4


def test_a_part_of_each_class_is_the_part_that_is_evaluated(tmp_path):
    index = dataset(tmp_path, 18)
    align(index, tmp_path / "part", align_px=32, images_per_class=1)
    align(index, tmp_path / "all", align_px=32)
    part = ledger(tmp_path / "part")
    names = {(row["split"], row["label"]) for row in part}
    assert len(part) == len(names) == len({(r["split"], r["label"]) for r in ledger(tmp_path / "all")})
    for split in ("train", "test"):
        chosen = choose(tmp_path / "all" / "ledger.csv", split, images_per_class=1).sample_ids
        assert chosen == [row["sample_id"] for row in part if row["split"] == split]


def test_faces_of_another_corruption_are_not_kept(tmp_path):
    index = dataset(tmp_path)
    for corruption in ("noise10", "noise20"):
        align(index, tmp_path / "faces", align_px=32, corruption=corruption)
        assert {row["corruption"] for row in ledger(tmp_path / "faces")} == {corruption}
    with pytest.raises(FacetoryError, match="unknown corruption 'noise25'"):
        align(index, tmp_path / "faces", align_px=32, corruption="noise25")
