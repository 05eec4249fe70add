import numpy as np
import pytest
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.randomness import sample_keys, stream_key
from facetory.recognition.rand_augment import OPERATIONS, apply, augmented, drawn, settings
from PIL import Image

KEY = stream_key(0, "test")


def grey(*rows):
    """A picture whose three channels are these rows of levels."""
    return Image.fromarray(np.repeat(np.array(rows, np.uint8)[..., None], 3, axis=2))


def levels(image):
    """One channel, where all three are the same."""
    array = np.asarray(image)
    assert (array == array[..., :1]).all()
    return array[..., 0].tolist()


SQUARE = grey([0, 30, 60], [90, 120, 150], [180, 210, 240])


@pytest.mark.parametrize(
    ("name", "t", "expected"),
    [
        ("identity", 1.0, [[0, 30, 60], [90, 120, 150], [180, 210, 240]]),
        # row y comes from 0.3 (y + ½) pixels further right: 0.15, 0.45, 0.75, to the nearest
        ("shear_x", 1.0, [[0, 30, 60], [90, 120, 150], [210, 240, 0]]),
        ("shear_x", -1.0, [[0, 30, 60], [90, 120, 150], [0, 180, 210]]),
        # ⌊150/331 · 3⌋ = 1
        ("translate_x", 1.0, [[0, 0, 30], [0, 90, 120], [0, 180, 210]]),
        ("translate_x", -1.0, [[30, 60, 0], [120, 150, 0], [210, 240, 0]]),
        ("translate_x", 0.5, [[0, 30, 60], [90, 120, 150], [180, 210, 240]]),
        # 30° counter-clockwise: the corners come from (±0.37, ±1.37) off the centre
        ("rotate", 1.0, [[30, 60, 150], [90, 120, 240], [90, 210, 210]]),
        ("brightness", 1.0, [[0, 57, 114], [171, 228, 255], [255, 255, 255]]),
        ("brightness", -1.0, [[0, 3, 6], [9, 12, 15], [18, 21, 24]]),
        # the mean is 120
        ("contrast", 0.5, [[0, 0, 33], [76, 120, 163], [207, 250, 255]]),
        ("contrast", -1.0, [[108, 111, 114], [117, 120, 123], [126, 129, 132]]),
        ("color", 1.0, [[0, 30, 60], [90, 120, 150], [180, 210, 240]]),
        ("posterize", 1.0, [[0, 16, 48], [80, 112, 144], [176, 208, 240]]),  # four bits
        ("posterize", 16 / 30, [[0, 28, 60], [88, 120, 148], [180, 208, 240]]),  # six bits
        ("solarize", 16 / 30, [[0, 30, 60], [90, 135, 105], [75, 45, 15]]),  # from 119 on
        ("autocontrast", 1.0, [[0, 31, 63], [95, 127, 159], [191, 223, 255]]),
        ("grayscale", 1.0, [[0, 30, 60], [90, 120, 150], [180, 210, 240]]),
    ],
)
def test_operations_by_hand(name, t, expected):
    assert levels(apply(name, SQUARE, t)) == expected


@pytest.mark.parametrize("magnitude", range(1, 31))
def test_solarize_inverts_from_the_exact_threshold_on(magnitude):
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    below = 2 * ramp.astype(int) < 510 - 17 * magnitude  # level < 255 (1 - magnitude / 30), in whole numbers
    found = apply("solarize", Image.fromarray(ramp).convert("RGB"), magnitude / 30)
    assert (np.asarray(found)[..., 0] == np.where(below, ramp, 255 - ramp)).all()


def test_unsigned_operations_do_not_see_a_sign():
    for name in ("posterize", "solarize"):
        assert levels(apply(name, SQUARE, -0.5)) == levels(apply(name, SQUARE, 0.5))


def test_sharpness_goes_from_smoothed_to_doubled():
    dot = grey(*([[0] * 5] * 2), [0, 0, 130, 0, 0], *([[0] * 5] * 2))
    # smoothed, the dot is 130 · 5/13 = 50 and its neighbours 130/13 = 10
    smoothed = levels(apply("sharpness", dot, -1.0))
    assert smoothed[2][2] == int(50 + 0.1 * 80) and smoothed[1][1] == int(10 - 0.1 * 10)
    sharpened = levels(apply("sharpness", dot, 0.5))
    assert sharpened[2][2] == int(50 + 1.45 * 80) and sharpened[1][1] == 0


def test_colour_and_grey_follow_luma():
    red = Image.new("RGB", (4, 4), (200, 0, 0))
    luma = (200 * 19595 + 0x8000) >> 16
    assert np.asarray(apply("grayscale", red, 1.0))[0, 0].tolist() == [luma] * 3
    faded = np.asarray(apply("color", red, -1.0))[0, 0]
    assert faded.tolist() == [int(luma + 0.1 * (200 - luma)), *[int(0.9 * luma)] * 2]


def test_equalising_spreads_levels_by_their_frequency():
    shares = np.repeat(np.array([7, 8, 9], np.uint8), [255, 255, 514]).reshape(32, 32)
    equal = np.array(levels(apply("equalize", grey(*shares), 1.0)))
    # a step of (255 + 255) // 255 = 2 pixels a level: 7 → 0, 8 → 255 / 2, 9 → 510 / 2
    assert np.unique(equal[shares == 8]).tolist() == [(1 + 255) // 2]
    assert np.unique(equal).tolist() == [0, 128, 255]


@pytest.fixture
def faces():
    return np.random.default_rng(0).integers(0, 256, (12, 3, 32, 32), dtype=np.uint8)


KEYS = sample_keys([f"person{n}/{n}" for n in range(12)])


def test_a_face_changes_by_its_name_and_step_whatever_the_others(faces):
    together = augmented(faces, drawn(KEY, KEYS, 7, 4), 16)
    order = np.random.default_rng(1).permutation(12)
    assert np.array_equal(augmented(faces[order], drawn(KEY, KEYS[order], 7, 4), 16), together[order])
    assert not np.array_equal(augmented(faces, drawn(KEY, KEYS, 8, 4), 16), together)
    assert together.dtype == np.uint8 and together.shape == faces.shape


def test_without_operations_half_of_the_faces_are_mirrored():
    faces = np.arange(4, dtype=np.uint8).reshape(1, 1, 1, 4).repeat(2000, 0).repeat(3, 1)
    keys = sample_keys([str(n) for n in range(2000)])
    firsts = augmented(faces, drawn(KEY, keys, 0, 0), 16)[:, 0, 0, 0]
    assert set(firsts.tolist()) == {0, 3} and 900 < (firsts == 3).sum() < 1100


def test_every_operation_and_magnitude_is_drawn(monkeypatch, faces):
    seen = []

    def noted(name):
        return lambda image, t: seen.append((name, round(30 * t))) or image

    monkeypatch.setattr(
        "facetory.recognition.rand_augment.OPERATIONS", {name: noted(name) for name in OPERATIONS}
    )
    keys = sample_keys([str(n) for n in range(3000)])
    augmented(np.zeros((3000, 3, 2, 2), np.uint8), drawn(KEY, keys, 0, 4), 16)
    names = [name for name, _ in seen]
    assert len(seen) == 12_000 and set(names) == set(OPERATIONS) and len(OPERATIONS) == 13
    assert all(abs(names.count(name) / 12_000 - 1 / 13) < 0.012 for name in OPERATIONS)
    for name, expected in {
        "rotate": {*range(-16, 0), *range(1, 17)},
        "posterize": set(range(1, 17)),
    }.items():
        assert {t for which, t in seen if which == name} == expected


def test_given_faces_are_left_alone(faces):
    before = faces.copy()
    augmented(faces, drawn(KEY, KEYS, 0, 4), 16)
    assert np.array_equal(faces, before)


def test_settings_tell_what_is_done():
    assert settings(0, 16) == {"mirrored": 0.5}
    assert settings(4, 16)["of"] == list(OPERATIONS) and settings(4, 16)["magnitudes"] == [1, 16]
    with pytest.raises(FacetoryError, match="1 to 30"):
        settings(4, 31)
