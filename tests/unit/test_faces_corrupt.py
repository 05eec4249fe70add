"""Corruptions: the kernel and the noise are what they say, and depend on the sample alone."""

import numpy as np
import pytest
from facetory.faces.corrupt import BLUR, NAMES, NOISE, blur, corrupt, corrupted, gaussian_kernel, parse
from facetory.pipeline.files import FacetoryError
from hypothesis import given
from hypothesis import strategies as st

GREY = np.full((120, 100, 3), 128, np.uint8)


def picture(height=40, width=33, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_the_nine_names_stand_in_the_papers_order():
    assert " ".join(NAMES) == "noise10 noise20 noise30 noise40 noise50 blur2 blur5 blur10 blur15"
    assert (
        parse("noise30") == ("noise", 30) and parse("blur5") == ("blur", 5) and parse("clean") == ("clean", 0)
    )


@pytest.mark.parametrize("name", ["noise60", "blur", "Noise10", ""])
def test_an_unknown_name_is_told_the_known_ones(name):
    with pytest.raises(FacetoryError, match=r"unknown corruption .*blur10, .*noise50"):
        corrupt(GREY, name, "s0")


@pytest.mark.parametrize("sigma", BLUR)
def test_an_impulse_blurs_to_the_closed_form(sigma):
    impulse = np.zeros((31, 31, 1))
    impulse[15, 15] = 1
    squares = np.add.outer(np.arange(-7, 8) ** 2, np.arange(-7, 8) ** 2)
    expected = np.zeros((31, 31))
    expected[8:23, 8:23] = np.exp(-squares / (2 * sigma**2)) / np.exp(-squares / (2 * sigma**2)).sum()
    np.testing.assert_allclose(blur(impulse, sigma)[..., 0], expected, atol=1e-7)


def test_the_kernel_is_opencvs():
    """What its ``getGaussianKernel`` documents: exp(−i² / 2σ²) over their sum; from the centre out."""
    np.testing.assert_allclose(
        gaussian_kernel(2)[7:],
        [0.199501, 0.176059, 0.121004, 0.064769, 0.027000, 0.008766, 0.002216, 0.000436],
        atol=1e-6,
    )
    flat = gaussian_kernel(15)
    assert flat.sum() == pytest.approx(1) and flat[0] / flat[7] == pytest.approx(np.exp(-49 / 450))


def test_beyond_the_edge_the_image_is_mirrored_without_its_outermost_pixel():
    image = picture(20, 18).astype(float)
    row, column, weights = 0, 17, gaussian_kernel(5)
    expected = sum(
        weights[7 + i] * weights[7 + j] * image[abs(row + i), 17 - abs(17 - (column + j))]
        for i in range(-7, 8)
        for j in range(-7, 8)
    )
    np.testing.assert_allclose(blur(image, 5)[row, column], expected, rtol=1e-5)


@given(st.integers(0, 255), st.sampled_from(BLUR))
def test_the_blur_of_a_constant_image_is_that_image(value, sigma):
    image = np.full((16, 21, 3), value, np.uint8)
    np.testing.assert_array_equal(corrupt(image, f"blur{sigma}", "s0"), image)


def test_blur_flattens_more_with_sigma_and_mixes_no_channels():
    image = picture()
    spread = [corrupt(image, f"blur{sigma}", "s0").std() for sigma in BLUR]
    assert spread == sorted(spread, reverse=True) and spread[0] < 0.2 * image.std()
    image[..., 1:] = 0
    assert (corrupt(image, "blur5", "s0")[..., 1:] == 0).all()


@pytest.mark.parametrize("sigma", [level for level in NOISE if level <= 30])
def test_noise_has_its_mean_and_its_standard_deviation(sigma):
    """36,000 draws: standard errors σ/190 of the mean and 0.4 % of σ; at 128 nothing is clipped below 4 σ."""
    difference = corrupt(GREY, f"noise{sigma}", "s0").astype(float) - 128
    assert abs(difference.mean()) < 4 * sigma / 190
    assert difference.std() == pytest.approx(np.hypot(sigma, 1 / np.sqrt(12)), rel=0.016)
    channels = np.corrcoef(difference.reshape(-1, 3).T)
    assert np.abs(channels - np.eye(3)).max() < 0.04, "channels are drawn apart"
    assert abs(np.corrcoef(difference[:-1].ravel(), difference[1:].ravel())[0, 1]) < 0.025


def test_noise_is_clipped_and_does_not_wrap():
    black, white = (corrupt(np.full_like(GREY, v), "noise50", "s0").astype(int) for v in (0, 255))
    assert 0.49 < (black == 0).mean() < 0.52 and 0.49 < (white == 255).mean() < 0.52
    assert black.max() < 6 * 50 and white.min() > 255 - 6 * 50
    assert black.mean() == pytest.approx(50 / np.sqrt(2 * np.pi), rel=0.03)


def test_levels_are_paired_by_one_field():
    weak, strong = (corrupt(GREY, name, "s0").astype(float) - 128 for name in ("noise10", "noise20"))
    assert np.abs(strong - 2 * weak).max() <= 1.5


def test_noise_is_the_samples_own_and_the_seeds():
    image = picture()
    first = corrupt(image, "noise20", "s0", seed=1)
    for other in (corrupt(image, "noise20", "s1", seed=1), corrupt(image, "noise20", "s0", seed=2)):
        assert (other != first).mean() > 0.8
    np.testing.assert_array_equal(corrupt(image, "noise20", "s0", seed=1), first)


@given(st.permutations(("clean", *NAMES)), st.integers(1, 10))
def test_several_at_once_are_each_alone_in_any_order(names, count):
    image, chosen = picture(9, 11), names[:count]
    for name, view in zip(chosen, corrupted(image, chosen, "s3", 4), strict=True):
        np.testing.assert_array_equal(view, corrupt(image, name, "s3", 4))
        assert view.dtype == np.uint8 and view.shape == image.shape


def test_clean_is_the_image_itself():
    np.testing.assert_array_equal(corrupt(picture(), "clean", "s0"), picture())
