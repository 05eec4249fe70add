"""Computational sequences are read one video at a time, and what breaks their layout is named."""

import h5py
import numpy as np
import pytest
from facetory.data.mosei.csd import open_csd
from facetory.data.mosei.write_csd import write_csd
from facetory.pipeline.files import FacetoryError

FEATURES = np.arange(12, dtype=np.float32).reshape(4, 3)
INTERVALS = np.arange(8.0).reshape(4, 2)


@pytest.fixture
def path(tmp_path):
    write_csd(tmp_path / "a.csd", "any root", {"v2": (FEATURES, INTERVALS), "v1": (FEATURES + 1, INTERVALS)})
    return tmp_path / "a.csd"


def spoilt(path, change):
    with h5py.File(path, "r+") as file:
        change(file["any root/data"], file)
    return path


def test_it_gives_back_what_was_written(path):
    with open_csd(path, 3) as csd:
        assert csd.videos == ("v1", "v2") and "v2" in csd and "v3" not in csd and csd.width == 3
        csd.check()
        features, intervals = csd.read("v1")
        np.testing.assert_array_equal(features, FEATURES + 1)
        np.testing.assert_array_equal(intervals, INTERVALS)
        assert features.dtype == np.float32 and intervals.dtype == np.float64
        assert len(csd.read("v2", 3).features) == 3 and csd.lengths("v2") == (4, 4)


def test_the_width_is_the_first_videos_where_none_is_asked_for(path):
    with open_csd(path) as csd:
        assert csd.width == 3


def test_odd_content_is_read_as_it_is(tmp_path):
    odd = np.array([[np.nan, -np.inf], [1e300, 1]])
    write_csd(tmp_path / "a.csd", "r", {"v": (odd, INTERVALS[::-1])})
    with open_csd(tmp_path / "a.csd") as csd:
        csd.check()
        features, intervals = csd.read("v")
        np.testing.assert_array_equal(features, [[np.nan, -np.inf], [np.inf, 1]])
        np.testing.assert_array_equal(intervals, INTERVALS[::-1])
        assert csd.lengths("v") == (2, 4)


def put(name, array):
    def change(data, _):
        del data["v2"][name]
        data["v2"][name] = array

    return change


def external_bytes(data, file):
    del data["v2"]["features"]
    data["v2"].create_dataset("features", (4, 3), "f4", external=[("/etc/hostname", 0, 48)])


def virtual(data, file):
    del data["v2"]["features"]
    layout = h5py.VirtualLayout((4, 3), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (4, 3))
    data["v2"].create_virtual_dataset("features", layout)


def linked(target):
    def change(data, _):
        del data["v2"]
        data["v2"] = target

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put("features", FEATURES[:, :2]), r"v2: features have the shape \(4, 2\), expected \(n, 3\)"),
        (put("features", FEATURES[:, 0]), r"v2: features have the shape \(4,\)"),
        (put("intervals", INTERVALS[:, :1]), r"v2: intervals have the shape \(4, 1\), expected \(n, 2\)"),
        (put("features", np.array([b"word"])), "v2: 'features' is no array of numbers"),
        (lambda data, _: data["v2"].pop("intervals"), "v2: 'intervals' is missing"),
        (linked(h5py.SoftLink("/any root/data/v1")), "v2: 'v2' is a link to elsewhere, which is refused"),
        (linked(h5py.ExternalLink("b.csd", "/x")), "v2: 'v2' is a link to elsewhere, which is refused"),
        (external_bytes, "v2: 'features' takes its content from another file"),
        (virtual, "v2: 'features' takes its content from another file"),
        (linked(FEATURES), "v2: 'v2' is no group"),
    ],
)
def test_a_video_that_breaks_the_layout_is_named_before_anything_is_read(path, change, said):
    with open_csd(spoilt(path, change), 3) as csd:
        csd.read("v1")
        with pytest.raises(FacetoryError, match=said) as found:
            csd.check()
        assert str(path) in str(found.value)
        with pytest.raises(FacetoryError, match=said):
            csd.read("v2")


def no_videos(data, _):
    del data["v1"], data["v2"]


def links_to_itself(data, file):
    del file["any root/data"]
    file["any root/data"] = h5py.SoftLink("/any root")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data, file: file.create_group("another"), "2 root groups, expected one"),
        (lambda data, file: file.pop("any root"), "0 root groups"),
        (lambda data, file: file["any root"].pop("data"), "'data' is missing"),
        (links_to_itself, "'data' is a link to elsewhere"),
        (no_videos, "no video in the data group"),
        (lambda data, file: data.move("v2", "v2[0]"), r"'v2\[0\]' is the id of a segment.*raw file"),
    ],
)
def test_a_file_that_is_no_sequence_is_refused_when_opened(path, change, said):
    with pytest.raises(FacetoryError, match=said), open_csd(spoilt(path, change), 3):
        pass


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", None])
def test_a_file_that_is_not_hdf5_or_not_there(tmp_path, content):
    if content is not None:
        (tmp_path / "a.csd").write_bytes(content)
    said = "not an HDF5 file" if content is not None else "the file is missing"
    with pytest.raises(FacetoryError, match=said), open_csd(tmp_path / "a.csd"):
        pass


def test_a_truncated_file_is_refused(path):
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(FacetoryError, match=r"not an HDF5 file.*truncated"), open_csd(path):
        pass
