"""Files that are whole or absent, and that hold what was given."""

import numpy as np
import pytest
from facetory.pipeline.files import FacetoryError, open_tensors, read_metadata, write_tensors, written_aside


def test_a_transposed_array_comes_back_as_it_was(tmp_path):
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1)
    write_tensors(tmp_path / "a.safetensors", {"array": array}, {"about": ["it"]})
    with open_tensors(tmp_path / "a.safetensors") as handle:
        assert np.array_equal(handle.get_tensor("array"), array)
    assert read_metadata(tmp_path / "a.safetensors") == {"about": ["it"]}


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "kept.txt"
    path.write_text("old")
    with pytest.raises(ValueError, match="midway"), written_aside(path) as aside:
        aside.write_text("half of the n")
        raise ValueError("midway")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_truncated_file_is_named(tmp_path):
    path = tmp_path / "short.safetensors"
    write_tensors(path, {"array": np.zeros(9)})
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(FacetoryError, match=r"short\.safetensors"):
        read_metadata(path)
