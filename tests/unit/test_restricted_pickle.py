"""Plain data comes out of a pickle and nothing else: no call, no endless nesting, no large allocation."""

import io
import os
import pickle
import struct
import tracemalloc

import numpy as np
import pytest
from facetory.data import restricted_pickle
from facetory.data.restricted_pickle import load_plain
from facetory.pipeline.files import FacetoryError
from hypothesis import given
from hypothesis import strategies as st

PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)
PYTHON2 = b"\x80\x02"


def file(tmp_path, content: bytes):
    path = tmp_path / "set.bin"
    path.write_bytes(content)
    return path


def text(value: bytes) -> bytes:
    """A str of Python 2, as its pickle module writes it in protocol 2."""
    return (b"U" + bytes([len(value)]) if len(value) < 256 else b"T" + struct.pack("<i", len(value))) + value


def python2(pictures: list[bytes], same: list[bool]) -> bytes:
    """(pictures, same) as Python 2 writes it."""
    answers = b"".join(b"\x88" if answer else b"\x89" for answer in same)
    return (
        PYTHON2
        + b"]q\x01("
        + b"".join(map(text, pictures))
        + b"e"
        + b"]q\x02("
        + answers
        + b"e"
        + b"\x86q\x03."
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_lists_of_bytes_and_booleans(tmp_path, protocol):
    content = ([b"one", b"", bytes(range(256)) * 300], [True, False, True])
    assert load_plain(file(tmp_path, pickle.dumps(content, protocol))) == content


def test_what_python_2_wrote(tmp_path):
    pictures = [b"\xff\xd8short", bytes(range(256)) * 2]
    content = python2(pictures, [True])
    assert pickle.loads(content, encoding="bytes") == (pictures, [True])  # noqa: S301
    assert load_plain(file(tmp_path, content)) == (pictures, [True])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_numpys_arrays_and_scalars(tmp_path, protocol):
    arrays = [np.frombuffer(b"\xff\xd8one", np.uint8), np.array([3, 4], np.uint8)]
    content = (arrays, [np.bool_(True), np.int64(0), np.uint8(1)])
    pictures, same = load_plain(file(tmp_path, pickle.dumps(content, protocol)))
    assert [array.tolist() for array in pictures] == [array.tolist() for array in arrays]
    assert same == [True, 0, 1] and type(same[0]) is bool and type(same[1]) is int
    answers = load_plain(file(tmp_path, pickle.dumps(np.array([True, False]), protocol)))
    assert answers.dtype == bool and answers.tolist() == [True, False]


def test_arrays_as_python_2_wrote_them(tmp_path):
    module = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85" + text(b"b") + b"tR"
    dtype = b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xff"
    dtype += b"J\xff\xff\xff\xffK\x00tb"
    content = PYTHON2 + module + b"(K\x01K\x03\x85" + dtype + b"\x89" + text(b"abc") + b"tb."
    assert pickle.loads(content, encoding="bytes").tolist() == list(b"abc")  # noqa: S301
    assert load_plain(file(tmp_path, content)).tolist() == list(b"abc")


def test_one_array_twice_is_the_same_array(tmp_path):
    array = np.array([1, 2], np.uint8)
    first, second = load_plain(file(tmp_path, pickle.dumps([array, array], 4)))
    assert first is second and first.tolist() == [1, 2]


class Calls:
    """Pickles as a call of ``function`` with ``arguments``."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("hostile", "named"),
    [
        (Calls(os.system, "touch escaped"), f"{os.system.__module__}.system"),
        (Calls(eval, "open('escaped', 'w')"), "builtins.eval|__builtin__.eval"),
        (Calls(bytearray, 2**40), "builtins.bytearray|__builtin__.bytearray"),
        (Calls(np.zeros, 2**40), r"numpy.zeros|numpy.*\.zeros"),
        (Calls(getattr, [], "append"), "builtins.getattr|__builtin__.getattr"),
        (np.array([{}], dtype=object), "an array of 'O8'"),
        (np.array([1.5]), "an array of 'f8'"),
    ],
)
def test_other_names_are_refused_and_named(tmp_path, monkeypatch, protocol, hostile, named):
    monkeypatch.chdir(tmp_path)
    path = file(tmp_path, pickle.dumps(([b"picture"], [hostile]), protocol))
    with pytest.raises(FacetoryError, match=rf"set\.bin: refused: the pickle (names|has) ({named})"):
        load_plain(path)
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize(
    ("operations", "reason"),
    [
        (b"\x80\x02ccollections\nOrderedDict\n.", "names collections.OrderedDict"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "names os.system"),
        (b"\x80\x02(K\x01K\x02ios\nsystem\n.", "asks for INST"),
        (b"\x80\x02}.", "asks for EMPTY_DICT"),
        (b"\x80\x02Pescaped\n.", "asks for PERSID"),
        (b"\x80\x02\x82\x01.", "asks for EXT1"),
        (b"\x80\x02cnumpy\nndarray\n(K\x01tR.", "calls class"),
        (b"\x80\x02" + text(b"dtype") + b"(" + text(b"u1") + b"tR.", "calls what is no function"),
        (b"\x80\x02]]b.", "sets the state of something"),
        (b"\x80\x02]q\x00h\x00a.", "puts a list or tuple into a list"),
        (b"\x80\x02K\x01" + b"\x85" * 50_000 + b".", "more than 2 deep"),
        (b"\x80\x02(" + b"K\x01" * 10 + b"t.", "more than 9 items"),
    ],
)
def test_what_no_plain_data_needs_is_refused(tmp_path, operations, reason):
    with pytest.raises(FacetoryError, match=f"refused: the pickle .*{reason}"):
        load_plain(file(tmp_path, operations))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80",
        b"\x80\x02",
        b"not a pickle",
        b"\x80\x02.",
        b"\x80\x02K",
        b"\x80\x02h\x07.",
        b"\x80\x02K\x01ta.",
        b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f" + b"x.",
        b"\x80\x02T\xff\xff\xff\x7fx.",
        b"\x80\x02T\xff\xff\xff\xffx.",
        pickle.dumps(([b"a" * 1000], [True]), 2)[:-600],
    ],
)
def test_a_damaged_file_is_an_error(tmp_path, content):
    with pytest.raises(FacetoryError, match=r"set\.bin"):
        load_plain(file(tmp_path, content))


def test_a_claimed_length_allocates_nothing(tmp_path):
    claims = [
        b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x.",
        pickle.dumps(np.arange(3, dtype=np.uint8), 2).replace(b"K\x03\x85", b"J\xff\xff\xff\x7f\x85"),
    ]
    tracemalloc.start()
    for claim in claims:
        with pytest.raises(FacetoryError, match="not a whole pickle"):
            load_plain(file(tmp_path, claim))
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_the_number_of_operations_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(restricted_pickle, "MAX_OPERATIONS", 1000)
    path = file(tmp_path, b"\x80\x02]" + b"K\x01a" * 600 + b".")
    with pytest.raises(FacetoryError, match="more than 1,000 operations"):
        load_plain(path)


def test_the_size_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(restricted_pickle, "MAX_BYTES", 10)
    with pytest.raises(FacetoryError, match="1 to 10 are read"):
        load_plain(file(tmp_path, pickle.dumps([b"a" * 20])))


def test_a_missing_file(tmp_path):
    with pytest.raises(FacetoryError, match="missing"):
        load_plain(tmp_path / "none.bin")


ATOMS = (
    st.none() | st.booleans() | st.binary(max_size=300) | st.integers(-(2**60), 2**60) | st.text(max_size=5)
)


@given(content=st.tuples(st.lists(ATOMS), st.lists(ATOMS)), protocol=st.sampled_from(PROTOCOLS))
def test_plain_data_comes_back(tmp_path_factory, content, protocol):
    assert load_plain(file(tmp_path_factory.mktemp("p"), pickle.dumps(content, protocol))) == content


@given(noise=st.binary(max_size=60), protocol=st.sampled_from(PROTOCOLS), place=st.integers(0, 200))
def test_noise_is_plain_data_or_an_error(tmp_path_factory, noise, protocol, place):
    whole = pickle.dumps(([np.arange(5, dtype=np.uint8), b"x" * 20], [np.bool_(True)]), protocol)
    changed = io.BytesIO(whole)
    changed.seek(min(place, len(whole)))
    changed.write(noise)
    try:
        load_plain(file(tmp_path_factory.mktemp("n"), changed.getvalue()))
    except FacetoryError as error:
        assert "set.bin" in str(error)
