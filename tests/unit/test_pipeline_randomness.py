"""Randomness by name: known answers, and independence of order, batch and library."""

import numpy as np
import pytest
from facetory.pipeline import randomness
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("word", "key", "expected"),
    [
        (0, 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (0xFFFFFFFF, 2**64 - 1, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    ],
)
def test_philox_gives_the_answers_published_with_random123(word, key, expected):
    counter = (np.array([word], dtype=np.int64),) * 4
    assert tuple(int(w[0]) for w in randomness.philox(counter, key)) == expected


@given(st.permutations(range(6)), st.integers(0, 2**32 - 1))
def test_a_sample_draws_the_same_whatever_stands_beside_it(order, step):
    keys = randomness.sample_keys([f"image_{i}" for i in range(6)])
    together = randomness.normal(7, keys, step, 5)
    shuffled = randomness.normal(7, keys[list(order)], step, 5)
    np.testing.assert_array_equal(shuffled, together[list(order)])
    alone = randomness.normal(7, keys[2:3], step, 3)
    np.testing.assert_array_equal(alone[0], together[2, :3])


def test_torch_and_numpy_draw_the_same_numbers():
    torch = pytest.importorskip("torch")
    keys = randomness.sample_keys(["a", "b"])
    steps = np.array([3, 999])
    drawn = randomness.normal(11, torch.tensor(keys), torch.tensor(steps), 4096)
    np.testing.assert_allclose(drawn.numpy(), randomness.normal(11, keys, steps, 4096), rtol=0, atol=1e-6)


@pytest.mark.gpu
def test_a_gpu_draws_the_same_integers():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    keys = torch.tensor(randomness.sample_keys(["a", "b"]))
    here, there = randomness.uniform(5, keys, 1, 4096), randomness.uniform(5, keys.cuda(), 1, 4096)
    assert torch.equal(here, there.cpu())


def test_normals_are_standard_and_streams_are_distinct():
    keys = randomness.sample_keys([str(i) for i in range(200)])
    draws = randomness.normal(randomness.stream_key(0, "noise"), keys, 0, 1000)
    assert abs(draws.mean()) < 0.01
    assert abs(draws.std() - 1) < 0.01
    assert randomness.stream_key(0, "noise") != randomness.stream_key(0, "flip")
    assert randomness.stream_key(0, "noise") != randomness.stream_key(1, "noise")
    assert randomness.stream_key(0, "a", "b") != randomness.stream_key(0, "ab")
