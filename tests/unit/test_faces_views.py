"""The faces of a split as arrays: order, corruption, resizing, a balanced part, threads."""

import csv

import numpy as np
import pytest
from facetory.faces import views
from facetory.faces.corrupt import corrupt
from facetory.faces.views import faces_of
from facetory.pipeline.files import FacetoryError, sha256_of
from PIL import Image


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    """Twelve faces of two classes, the last two in another split."""
    folder = tmp_path_factory.mktemp("faces")
    (folder / "images").mkdir()
    rows = [views.COLUMNS]
    for i in range(12):
        path = folder / "images" / f"s{i}.png"
        pixels = np.random.default_rng(i).integers(0, 256, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        split, label = ("test", "train")[i > 9], ("fear", "anger")[i % 3 == 0]
        rows.append((f"s{i}", split, label, f"p{i // 2}", sha256_of(path)))
    with (folder / "ledger.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows(rows)
    return folder / "ledger.csv"


def picture(ledger, sample_id):
    with Image.open(ledger.parent / "images" / f"{sample_id}.png") as image:
        return np.asarray(image)


def test_faces_stand_in_the_ledgers_order_with_their_labels(ledger):
    faces = faces_of(ledger, "test", 24)
    assert faces.pixels.shape == (10, 3, 24, 24) and faces.pixels.dtype == np.uint8
    assert faces.sample_ids == [f"s{i}" for i in range(10)] and faces.persons[:3] == ["p0", "p0", "p1"]
    assert [faces.classes[label] for label in faces.labels[:4]] == ["anger", "fear", "fear", "anger"]
    np.testing.assert_array_equal(faces.pixels[7].transpose(1, 2, 0), picture(ledger, "s7"))


@pytest.mark.parametrize("name", ["noise40", "blur2"])
def test_a_face_is_corrupted_before_it_is_resized(ledger, name):
    view = Image.fromarray(corrupt(picture(ledger, "s4"), name, "s4", 2))
    expected = np.asarray(view.resize((10, 10), Image.Resampling.LANCZOS)).transpose(2, 0, 1)
    np.testing.assert_array_equal(faces_of(ledger, "test", 10, name, noise_seed=2).pixels[4], expected)


def test_faces_without_labels_have_no_classes(ledger, tmp_path):
    """As photographs of people, whose expressions nobody named, come in."""
    (tmp_path / "images").symlink_to(ledger.parent / "images")
    with ledger.open(newline="") as handle:
        rows = [row | {"label": ""} for row in csv.DictReader(handle)]
    with (tmp_path / "ledger.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, views.COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    faces, part = (faces_of(tmp_path / "ledger.csv", "test", 24, images_per_class=n) for n in (None, 4))
    assert faces.classes == () and faces.labels.tolist() == [-1] * 10 and len(part.labels) == 4


def test_a_balanced_part_holds_the_same_faces(ledger):
    everyone, part = (faces_of(ledger, "test", 16, "noise20", count) for count in (None, 3))
    assert np.bincount(part.labels)[part.labels].tolist() == [3] * 6
    places = [everyone.sample_ids.index(name) for name in part.sample_ids]
    assert places == sorted(places)
    np.testing.assert_array_equal(part.pixels, everyone.pixels[places])


def test_batches_and_threads_change_nothing(ledger):
    chosen = views.choose(ledger, "test", corruptions=("clean", "noise10"))
    ways = [
        list(views.batches(chosen.folder, chosen.rows, 16, chosen.applied, 5, size, threads))
        for size, threads in ((4, 1), (4, 3), (10, 2))
    ]
    assert [len(batch[0]) for batch in ways[0]] == [4, 4, 2]
    whole = [[np.concatenate(parts) for parts in zip(*way, strict=True)] for way in ways]
    for clean, noisy in whole[1:]:
        np.testing.assert_array_equal(clean, whole[0][0])
        np.testing.assert_array_equal(noisy, whole[0][1])


def test_an_unknown_corruption_or_an_empty_split_is_named(ledger):
    with pytest.raises(FacetoryError, match="unknown corruption 'noise15'"):
        faces_of(ledger, "test", 16, "noise15")
    with pytest.raises(FacetoryError, match="no face is in split 'validation'"):
        faces_of(ledger, "validation", 16)
