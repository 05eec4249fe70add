"""Reading images: every form that users bring, and every way in which a file can be broken."""

import io

import numpy as np
import pytest
from drawn import picture
from facetory.data import images
from facetory.data.images import read_image
from facetory.pipeline.files import FacetoryError
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (6, 4, 3), dtype=np.uint8)


def saved(tmp_path, image, name, **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


def test_rgb_comes_back_as_it_is(tmp_path):
    read = read_image(saved(tmp_path, Image.fromarray(PIXELS), "a.png"))
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, PIXELS)


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, lambda a: a),
        (3, lambda a: a[::-1, ::-1]),
        (6, lambda a: np.rot90(a, -1)),
        (8, lambda a: np.rot90(a)),
    ],
)
def test_exif_rotation_is_applied(tmp_path, orientation, upright):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, Image.fromarray(PIXELS), "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(path), upright(PIXELS))


def test_grey_becomes_three_equal_channels(tmp_path):
    read = read_image(saved(tmp_path, Image.fromarray(PIXELS[..., 0]), "a.png"))
    np.testing.assert_array_equal(read, np.repeat(PIXELS[..., :1], 3, axis=2))


def test_sixteen_bits_are_scaled_not_cut(tmp_path):
    deep = np.array([[0, 128, 129], [32768, 65406, 65535]], dtype=np.uint16)
    for name in ("a.png", "a.tif"):
        read = read_image(saved(tmp_path, Image.fromarray(deep), name))
        np.testing.assert_array_equal(read[..., 2], [[0, 0, 1], [128, 254, 255]])


def test_transparency_lies_over_white(tmp_path):
    alpha = np.zeros((6, 4, 1), dtype=np.uint8)
    alpha[:3] = 255
    read = read_image(saved(tmp_path, Image.fromarray(np.concatenate([PIXELS, alpha], 2)), "a.png"))
    np.testing.assert_array_equal(read[:3], PIXELS[:3])
    assert (read[3:] == 255).all()


def test_a_transparent_palette_lies_over_white(tmp_path):
    palette = Image.fromarray(np.array([[0, 1]], dtype=np.uint8), "P")
    palette.putpalette([10, 20, 30, 40, 50, 60])
    path = saved(tmp_path, palette, "a.png", transparency=1)
    np.testing.assert_array_equal(read_image(path), [[[10, 20, 30], [255, 255, 255]]])


def test_cmyk_is_converted(tmp_path):
    red = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    read = read_image(saved(tmp_path, red, "a.jpg", quality=100))
    np.testing.assert_allclose(read.reshape(-1, 3).mean(0), [255, 0, 0], atol=4)


def test_an_animation_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    path = saved(tmp_path, frames[0], "a.gif", save_all=True, append_images=frames[1:])
    assert (read_image(path) == [255, 0, 0]).all()


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_a_truncated_file_is_an_error_that_names_it(tmp_path, name):
    path = picture(tmp_path / name, px=64)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(FacetoryError, match=rf"{name}: the image cannot be decoded .* Restore it"):
        read_image(path)


def test_missing_empty_and_folder_are_told_apart(tmp_path):
    with pytest.raises(FacetoryError, match=r"no.png: the image is missing"):
        read_image(tmp_path / "no.png")
    (tmp_path / "empty.png").touch()
    with pytest.raises(FacetoryError, match=r"empty.png: the image file is empty"):
        read_image(tmp_path / "empty.png")
    with pytest.raises(FacetoryError, match="a folder stands where an image is expected"):
        read_image(tmp_path)


def test_text_is_no_image(tmp_path):
    (tmp_path / "a.jpg").write_text("<html>Please sign in</html>")
    with pytest.raises(FacetoryError, match="cannot be decoded"):
        read_image(tmp_path / "a.jpg")


def test_floating_point_pixels_are_refused(tmp_path):
    path = saved(tmp_path, Image.fromarray(RNG.random((4, 4)).astype(np.float32)), "a.tif")
    with pytest.raises(FacetoryError, match="convert it to 8 bits"):
        read_image(path)


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    path = picture(tmp_path / "a.png")
    monkeypatch.setattr(images, "MAX_PIXELS", 63)
    with pytest.raises(FacetoryError, match="8 × 8 pixels are more than 63"):
        read_image(path)


def test_a_decompression_bomb_is_refused(tmp_path, monkeypatch):
    path = picture(tmp_path / "a.png", px=16)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(FacetoryError, match="cannot be decoded"):
        read_image(path)


def encoded(suffix):
    buffer = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(buffer, suffix)
    return buffer.getvalue()


ENCODED = {suffix: encoded(suffix) for suffix in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(ENCODED)), st.data())
def test_damaged_bytes_give_pixels_or_a_facetory_error(tmp_path_factory, suffix, data):
    content = bytearray(ENCODED[suffix])
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / f"damaged.{suffix.lower()}"
    path.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]))
    try:
        read = read_image(path)
    except FacetoryError as error:
        assert str(path) in str(error)
    else:
        assert read.dtype == np.uint8 and read.ndim == 3 and read.shape[2] == 3
