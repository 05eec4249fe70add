"""The `.bin` verification sets: fabricated ones in the real layout, and everything that can be wrong."""

import io
import pickle

import numpy as np
import pytest
from facetory.data import catalogue, verification_bin
from facetory.data.stage import make_index
from facetory.data.verification_bin import SHA256, read_bin
from facetory.pipeline.config import DatasetSpec
from facetory.pipeline.files import FacetoryError, sha256_of
from PIL import Image


def encoded(seed: int, px: int = 112, kind: str = "PNG", mode: str = "RGB") -> bytes:
    image = Image.fromarray(pixels(seed, px)).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def pixels(seed: int, px: int = 112) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((px, px)))


def written(path, pictures, same, protocol=2):
    path.write_bytes(pickle.dumps((pictures, same), protocol))
    return path, sha256_of(path)


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_pairs_in_order_as_rgb(tmp_path, protocol):
    pictures = [encoded(i) for i in range(6)]
    path, sha256 = written(tmp_path / "lfw.bin", pictures, [True, False, True], protocol)
    images, same, _ = read_bin(path, sha256=sha256)
    assert images.dtype == np.uint8 and images.shape == (6, 3, 112, 112)
    assert all((images[i] == pixels(i).transpose(2, 0, 1)).all() for i in range(6))
    assert same.dtype == bool and same.tolist() == [True, False, True]


def test_arrays_jpegs_greys_and_numpys_booleans(tmp_path):
    pictures = [np.frombuffer(encoded(i, kind="JPEG"), np.uint8) for i in range(3)] + [encoded(3, mode="L")]
    path, sha256 = written(tmp_path / "own.bin", pictures, np.array([True, False]), 4)
    images, same, _ = read_bin(path, sha256=sha256)
    expected = np.asarray(Image.open(io.BytesIO(encoded(2, kind="JPEG")))).transpose(2, 0, 1)
    assert (images[2] == expected).all() and (images[3][0] == images[3][2]).all()
    assert same.tolist() == [True, False]


def test_a_picture_in_several_pairs_has_one_number(tmp_path):
    pictures = [encoded(i) for i in (0, 1, 0, 2, 1, 1)]
    path, sha256 = written(tmp_path / "own.bin", pictures, [False, False, True])
    images, _, face = read_bin(path, sha256=sha256)
    assert face.tolist() == [0, 1, 0, 2, 1, 1]
    assert (images[4] == pixels(1).transpose(2, 0, 1)).all() and (images[5] == images[1]).all()


def test_another_size_is_resized(tmp_path):
    path, sha256 = written(tmp_path / "own.bin", [encoded(0), encoded(1)], [True])
    images, *_ = read_bin(path, 64, sha256)
    assert images.shape == (2, 3, 64, 64)
    assert np.abs(images[0].mean((1, 2)) - pixels(0).mean((0, 1))).max() < 1


def test_the_hash_comes_before_the_content(tmp_path, monkeypatch):
    path, _ = written(tmp_path / "lfw.bin", [encoded(0), encoded(1)], [True])
    monkeypatch.setattr(verification_bin, "load_plain", lambda path: pytest.fail("read before the check"))
    with pytest.raises(FacetoryError, match=r"lfw\.bin: its sha256 is .*, expected 9b711dca71a47fc9…"):
        read_bin(path)


def test_the_released_files_are_known_by_name(tmp_path, monkeypatch):
    path, sha256 = written(tmp_path / "calfw.bin", [encoded(0), encoded(1)], [False])
    monkeypatch.setitem(SHA256, "calfw", sha256)
    assert read_bin(path).same.tolist() == [False]
    with pytest.raises(FacetoryError, match="Did you mean 'lfw'"):
        read_bin(tmp_path / "lwf.bin")
    with pytest.raises(FacetoryError, match="missing"):
        read_bin(tmp_path / "lfw.bin")


ONE, TWO = encoded(0), encoded(1)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (([ONE, TWO, ONE], [True]), "3 images for 1 pairs"),
        (([ONE, TWO], [True, False]), "2 images for 2 pairs"),
        (([], []), "0 images for 0 pairs"),
        (([ONE, TWO], [2]), "pair 0: 2 is neither"),
        (([ONE, TWO], [b"1"]), "pair 0: b'1' is neither"),
        (([ONE, TWO], [None]), "pair 0: None is neither"),
        (([ONE, 7], [True]), "image 1: int instead of bytes"),
        (([ONE, TWO],), r"not a pickle of \(pictures, same\)"),
        ((b"pictures", [True]), "not a pickle of two lists"),
        ([ONE, TWO], r"not a pickle of \(pictures, same\)"),
        (([ONE, TWO, TWO, ONE[:200]], [True, True]), r"image 3 \(pair 1\): cannot be decoded"),
        (([ONE, b""], [True]), r"image 1 \(pair 0\): cannot be decoded"),
    ],
)
def test_a_malformed_set_says_what_and_where(tmp_path, content, problem):
    path = tmp_path / "own.bin"
    path.write_bytes(pickle.dumps(content, 2))
    with pytest.raises(FacetoryError, match=rf"own\.bin: {problem}"):
        read_bin(path, sha256=sha256_of(path))


def test_a_picture_that_is_not_square(tmp_path):
    buffer = io.BytesIO()
    Image.new("RGB", (96, 112)).save(buffer, "PNG")
    path, sha256 = written(tmp_path / "own.bin", [ONE, buffer.getvalue()], [True])
    with pytest.raises(FacetoryError, match=r"image 1 \(pair 0\): 96 × 112 pixels, not square"):
        read_bin(path, sha256=sha256)


@pytest.mark.parametrize("name", SHA256)
def test_each_set_is_in_the_catalogue(tmp_path, name):
    entry = catalogue.entry(name)
    assert entry.licence and entry.citation and entry.layout == (f"{name}.bin",)
    assert entry.counts == {"test": 7000 if name == "cfp_fp" else 6000} and len(SHA256[name]) == 64
    assert f"expected {tmp_path}/faces_emore/{name}.bin" in catalogue.missing(name, tmp_path)
    (tmp_path / "faces_emore").mkdir()
    (tmp_path / "faces_emore" / f"{name}.bin").touch()
    assert catalogue.missing(name, tmp_path) is None


def test_it_has_no_index(tmp_path):
    (tmp_path / "faces_emore").mkdir()
    (tmp_path / "faces_emore" / "lfw.bin").touch()
    with pytest.raises(FacetoryError, match="lfw: a verification set of face pairs, which has no index"):
        make_index(DatasetSpec(name="lfw"), tmp_path, tmp_path / "index")
