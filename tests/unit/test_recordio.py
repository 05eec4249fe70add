"""RecordIO: what MXNet's writer writes is read, whatever the bytes; broken files are told where."""

import struct

import pytest
from facetory.data import recordio
from facetory.data.recordio import read_keys, records, unpack
from facetory.pipeline.files import FacetoryError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded import MAGIC, packed, record, write

piece = st.one_of(st.binary(max_size=9), st.just(MAGIC))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.lists(piece, max_size=6).map(b"".join), min_size=1, max_size=5))
def test_any_bytes_are_read_as_they_were_written(tmp_path, contents):
    path = write(tmp_path, dict(enumerate(contents)))
    found = list(records(path))
    assert [item.content for item in found] == contents
    assert [item.number for item in found] == list(range(len(contents)))
    assert {item.offset: item.number for item in found} == read_keys(path.with_suffix(".idx"))


def test_by_hand(tmp_path):
    path = tmp_path / "x.rec"
    path.write_bytes(bytes.fromhex("0a23d7ce 03000000 616263 00") + bytes.fromhex("0a23d7ce 00000000"))
    assert [tuple(item) for item in records(path)] == [(0, 0, b"abc"), (1, 12, b"")]


def test_labels_are_one_or_several(tmp_path):
    path = write(tmp_path, {0: packed([5, 7.5], 1), 1: packed(3, 2, b"image")})
    first, second = (unpack(item, path) for item in records(path))
    assert first == ((5.0, 7.5), 1, b"") and second == ((3.0,), 2, b"image")


def begun(part, length):
    return MAGIC + struct.pack("<I", part << 29 | length)


BROKEN = {
    "it is cut off": MAGIC,
    "it claims 8 bytes, and the file ends before": begun(0, 8) + bytes(4),
    "magic number 0x0": bytes(8),
    "it claims more than 67,108,864 bytes": begun(0, (1 << 29) - 1),
    "part 2 stands after 0 parts": begun(2, 0),
    "part 5 stands after 0 parts": begun(5, 0),
    "part 0 stands after 1 parts": begun(1, 4) + b"1234" + record(b"x"),
}


@pytest.mark.parametrize("problem", BROKEN)
def test_a_broken_record_is_told_by_number_and_byte(tmp_path, problem):
    (tmp_path / "x.rec").write_bytes(record(b"good") + BROKEN[problem])
    with pytest.raises(FacetoryError, match=rf"x\.rec record 1 at byte 12: {problem}"):
        list(records(tmp_path / "x.rec"))


def test_broken_headers_and_missing_files_are_told(tmp_path):
    path = write(tmp_path, {0: b"short", 1: struct.pack("<IfQQ", 1 << 30, 0, 0, 0)})
    short, many = records(path)
    with pytest.raises(FacetoryError, match="record 0 at byte 0: it is shorter than an image's header"):
        unpack(short, path)
    with pytest.raises(FacetoryError, match="record 1 at byte 16: it claims 1073741824 labels"):
        unpack(many, path)
    with pytest.raises(FacetoryError, match=r"absent\.rec: the file is missing"):
        list(records(tmp_path / "absent.rec"))


@pytest.mark.parametrize("lines", ["0 0\n0 8\n", "0\t0\n1\t0\n", "0\t0\none\t8\n", "0\n", "0\t-8\n"])
def test_broken_keys_are_told_by_line(tmp_path, lines):
    (tmp_path / "x.idx").write_text(lines)
    with pytest.raises(FacetoryError, match=r"x\.idx line [12]: "):
        read_keys(tmp_path / "x.idx")


def test_a_huge_claim_reads_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(recordio, "MAX_BYTES", 8)
    path = write(tmp_path, {0: bytes(9)})
    with pytest.raises(FacetoryError, match="record 0 at byte 0: it claims more than 8 bytes"):
        list(records(path))
