"""Face sets: what is written is read, in order, in part, and only when it is whole."""

import numpy as np
import pytest
from facetory.faces.face_set import file_entry, first_of, natural, read_face_set, read_folder, write_face_file
from facetory.pipeline.files import FacetoryError, write_json
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

PX = 4
NAMES = {3: "three", 7: "seven", 9: "nine"}


def faces_of(identity, image):
    """A face for each number, whose pixels tell which it is."""
    value = 20 * np.asarray(identity) + np.asarray(image)
    return np.broadcast_to(value[:, None, None, None], (len(value), 3, PX, PX)).astype(np.uint8)


def made(folder, *files, status="gathered", **more):
    """A set with files of (identity, image) rows."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for k, rows in enumerate(files):
        identity, image = np.array(rows).T
        path = folder / "faces" / f"{k}.safetensors"
        write_face_file(path, faces_of(identity, image), identity, image, image > 0, NAMES, **more)
        entries.append(file_entry(folder, path))
    about = {"dataset": "drawn", "split": "train", "synthetic": True, "title": "Drawn"}
    write_json(folder / "manifest.json", {"status": status, "px": PX, "about": about, "files": entries})
    return folder / "manifest.json"


def test_rows_come_sorted_by_identity_and_image_whatever_the_files(tmp_path):
    faces = read_face_set(made(tmp_path, [(7, 1), (3, 2)], [(3, 0), (7, 0), (3, 1)]))
    assert faces.identity.tolist() == [0, 0, 0, 1, 1]
    assert faces.image.tolist() == [0, 1, 2, 0, 1]
    assert faces.found.tolist() == [False, True, True, False, True]
    assert faces.names == ["three", "seven"]
    assert faces.sample_ids == ["three/0", "three/1", "three/2", "seven/0", "seven/1"]
    assert faces.px == PX and faces.about["synthetic"]
    positions = [4, 0, 0, 2]
    seen = faces.pixels(positions)
    assert seen.dtype == np.uint8 and seen.shape == (4, 3, PX, PX)
    np.testing.assert_array_equal(seen[:, 0, 0, 0], [141, 60, 60, 62])
    assert faces.pixels([]).shape == (0, 3, PX, PX)


def test_the_first_so_many_of_both(tmp_path):
    manifest = made(tmp_path, [(9, 0), (7, 5), (7, 2), (7, 9), (3, 1)])
    faces = read_face_set(manifest, identities=2, images=2)
    assert faces.names == ["three", "seven"]
    assert faces.image.tolist() == [1, 2, 5]
    np.testing.assert_array_equal(faces.pixels(range(3))[:, 0, 0, 0], [61, 142, 145])


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 99)), min_size=1, max_size=40, unique=True),
    st.integers(1, 8),
    st.integers(1, 5),
)
def test_the_first_are_those_of_a_plain_loop(rows, identities, images):
    chosen = sorted({identity for identity, _ in rows})[:identities]
    wanted = [
        (identity, image)
        for identity in chosen
        for image in sorted(k for own, k in rows if own == identity)[:images]
    ]
    identity, image = np.array(rows).T
    assert [rows[i] for i in first_of(identity, image, identities, images)] == wanted


def test_sample_ids_of_a_dataset_are_kept(tmp_path):
    faces = read_face_set(made(tmp_path, [(3, 1), (3, 0)], sample_ids=["b", "a"]))
    assert faces.sample_ids == ["a", "b"]


def test_a_changed_file_is_refused_when_its_faces_are_wanted(tmp_path):
    manifest = made(tmp_path, [(3, 0)], [(7, 0)])
    changed = tmp_path / "faces/1.safetensors"
    content = bytearray(changed.read_bytes())
    content[-1] ^= 1
    changed.write_bytes(content)
    assert read_face_set(manifest, identities=1).names == ["three"]
    with pytest.raises(FacetoryError, match=r"1\.safetensors: differs from the hash"):
        read_face_set(manifest)


def test_a_truncated_or_missing_file_is_named(tmp_path):
    manifest = made(tmp_path, [(3, 0)])
    path = tmp_path / "faces/0.safetensors"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(FacetoryError, match=r"0\.safetensors: truncated"):
        read_face_set(manifest)
    path.unlink()
    with pytest.raises(FacetoryError, match=r"0\.safetensors: the file is missing"):
        read_face_set(manifest)


def test_a_set_that_was_not_gathered_says_why(tmp_path):
    manifest = tmp_path / "manifest.json"
    write_json(manifest, {"status": "not_run", "reason": "ffhq not placed"})
    with pytest.raises(FacetoryError, match="ffhq not placed"):
        read_face_set(manifest)


def test_one_number_with_two_names_is_refused(tmp_path):
    made(tmp_path, [(3, 0)])
    other = tmp_path / "faces/1.safetensors"
    write_face_file(other, faces_of([3], [1]), [3], [1], [True], {3: "another"})
    files = [file_entry(tmp_path, path) for path in sorted((tmp_path / "faces").iterdir())]
    write_json(tmp_path / "manifest.json", {"status": "gathered", "px": PX, "about": {}, "files": files})
    with pytest.raises(FacetoryError, match="identity 3 is 'another'"):
        read_face_set(tmp_path / "manifest.json")


def test_lengths_must_agree(tmp_path):
    with pytest.raises(ValueError, match="differ in length"):
        write_face_file(tmp_path / "x.safetensors", faces_of([3], [0]), [3, 3], [0, 1], [True] * 2, NAMES)


def grey(path, value, size=(PX, PX)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value,) * 3).save(path)


def test_a_folder_per_identity_is_read_in_natural_order(tmp_path):
    for name, value in (
        ("p10/1.png", 10),
        ("p2/10.png", 3),
        ("p2/9.png", 2),
        ("p2/.h.png", 9),
        ("sheet.png", 0),
    ):
        grey(tmp_path / name, value)
    (tmp_path / "p2/notes.txt").write_text("no picture")
    (tmp_path / "empty").mkdir()
    faces = read_folder(tmp_path, PX)
    assert faces.names == ["p2", "p10"]
    assert faces.identity.tolist() == [0, 0, 1] and faces.image.tolist() == [0, 1, 0]
    assert faces.sample_ids == ["p2/9", "p2/10", "p10/1"]
    np.testing.assert_array_equal(faces.pixels([2, 0])[:, 1, 2, 2], [10, 2])


def test_pictures_of_a_folder_are_brought_to_one_size(tmp_path):
    grey(tmp_path / "a/wide.png", 50, (16, 8))
    faces = read_folder(tmp_path, PX).pixels([0])
    assert faces.shape == (1, 3, PX, PX) and (faces == 50).all()


def test_a_folder_without_identities_is_refused(tmp_path):
    grey(tmp_path / "x.png", 1)
    with pytest.raises(FacetoryError, match="no pictures in folders"):
        read_folder(tmp_path, PX)
    with pytest.raises(FacetoryError, match="no such folder"):
        read_folder(tmp_path / "absent", PX)


def test_natural_order_counts():
    assert sorted(["n10", "n9", "n", "10", "9a", "9"], key=natural) == ["9", "9a", "10", "n", "n9", "n10"]
