"""A corpus is found, checked and hashed; its segments are aligned, and nothing is lost unseen."""

import csv
import io
import json
import shutil
import weakref

import numpy as np
import pytest
from facetory.data.catalogue import entry
from facetory.data.mosei.segments import Segments, read_segments, write_segments
from facetory.data.mosei.spec import MODALITIES, AlignmentSpec, CorpusSpec
from facetory.data.mosei.stage import align_corpus, index_corpus
from facetory.data.mosei.stage import read as read_as_images
from facetory.data.mosei.synthetic import FILES, planted, write_corpus
from facetory.data.mosei.write_csd import write_csd
from facetory.pipeline.files import FacetoryError, read_json, sha256_of

CORPUS = CorpusSpec(dataset="synthetic_mosei", videos=40, segments=4)
PLACED = CorpusSpec(dataset="cmu_mosei")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    index_corpus(CORPUS, folder, "nowhere")
    return folder


def aligned(corpus, folder, policy, extractions=(), **settings):
    spec = AlignmentSpec(corpus=CORPUS, policy=policy, **settings)
    align_corpus(spec, corpus / "manifest.json", dict(extractions), folder)
    with (folder / "ledger.csv").open(newline="") as handle:
        ledger = list(csv.DictReader(handle))
    return read_segments(folder / "segments.safetensors"), read_json(folder / "manifest.json"), ledger


def test_a_synthetic_corpus_says_that_it_is_and_what_is_planted(corpus):
    about = read_json(corpus / "manifest.json")
    assert about["status"] == "indexed" and about["synthetic"] and about["planted"] == planted()
    assert "synthetic" in about["title"] and about["videos"]["labels"] == 40
    assert set(about["files"]) == {*MODALITIES, "labels", "words"}
    for file in about["files"].values():
        path = corpus / file["path"]
        assert not file["path"].startswith("/")
        assert file["sha256"] == sha256_of(path) and file["bytes"] == path.stat().st_size


@pytest.mark.parametrize("policy", ["strict", "masked"])
def test_every_segment_is_kept_or_in_the_ledger(corpus, tmp_path, policy):
    found, about, ledger = aligned(corpus, tmp_path, policy)
    counts = about["counts"]
    lost = {f"{row['video']}[{row['segment']}]" for row in ledger if row["action"] == "dropped"}
    assert counts["segments"] == len(found) + len(lost) and not lost & set(found.segment_ids)
    assert counts["kept"] == len(found) == len(set(found.segment_ids))
    assert sum(counts["dropped"].values()) == len(lost) > 0
    assert counts["rows"] == len(found.valid["text"]) and counts["kept_videos"] == len(set(found.videos))
    assert about["dims"] == {"text": 300, "audio": 74, "video": 35}
    assert about["corpus"]["synthetic"] and about["corpus"]["planted"] == found.about["corpus"]["planted"]
    lengths = np.diff(found.offsets["text"])
    assert lengths.min() >= 1 and lengths.max() == 50
    for m in MODALITIES:
        np.testing.assert_array_equal(found.offsets[m], found.offsets["text"])
        np.testing.assert_array_equal(found.valid[m], ~np.isnan(found.streams[m]).all(axis=1))
    starts = found.offsets["text"][:-1]
    measured = np.array([np.logical_or.reduceat(found.valid[m], starts) for m in MODALITIES])
    assert measured.any(axis=0).all() and measured.all() == (policy == "strict")


def test_masked_keeps_more_than_strict(corpus, tmp_path):
    strict = aligned(corpus, tmp_path / "a", "strict")[0]
    masked = aligned(corpus, tmp_path / "b", "masked")[0]
    assert set(strict.segment_ids) < set(masked.segment_ids)


def test_the_released_way_has_a_sample_a_video_with_rows_of_its_own(corpus, tmp_path):
    found, about, ledger = aligned(corpus, tmp_path, "code", length=20)
    counts = about["counts"]
    assert counts["videos"] == counts["kept"] + sum(counts["dropped"].values()) and counts["kept"] < 40
    assert all(name.endswith("[0]") for name in found.segment_ids)
    assert {row["problem"] for row in ledger if row["action"] == "dropped"} == set(counts["dropped"])
    assert max(len(found.streams[m]) for m in MODALITIES) <= 20 * len(found)
    assert found.streams["audio"].shape == (20 * len(found), 74)


def test_a_smaller_length_truncates_and_the_ledger_counts_it(corpus, tmp_path):
    found, about, ledger = aligned(corpus, tmp_path, "strict", length=5)
    assert np.diff(found.offsets["text"]).max() == 5
    problem = "more than 5 words"
    assert sum(row["problem"] == problem for row in ledger) == about["ledger"][problem] > 10


def test_the_number_of_processes_changes_no_byte(corpus, tmp_path):
    outputs = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        spec = AlignmentSpec(corpus=CORPUS, policy="masked")
        align_corpus(spec, corpus / "manifest.json", {}, folder, processes)
        outputs.append(read_json(folder / "manifest.json")["outputs"])
    assert outputs[0] == outputs[1]


def test_features_of_another_extractor_take_a_modalitys_place(corpus, tmp_path):
    frames = np.arange(0, 300, 1.0)
    intervals = np.stack([frames, frames + 1], axis=1)
    videos = {name.rpartition("[")[0] for name in aligned(corpus, tmp_path / "a", "masked")[0].segment_ids}
    features = {name: (np.full((len(frames), 16), 2.5, np.float32), intervals) for name in videos}
    write_csd(tmp_path / "clip.csd", "clip", features)
    found, about, _ = aligned(
        corpus, tmp_path / "b", "masked", {"video": tmp_path / "clip.csd"}, video="clip"
    )
    assert about["dims"]["video"] == 16 and found.valid["video"].all()
    np.testing.assert_array_equal(found.streams["video"], np.float32(2.5))


def place(folder, flat=False):
    """A corpus in CMU-MOSEI's files below ``folder``/mosei."""
    files = write_corpus(CORPUS.model_copy(update={"videos": 6}), folder / "mosei", {})
    for path in files.values():
        if flat:
            path.rename(folder / "mosei" / path.name)
    return files


@pytest.mark.parametrize("flat", [False, True])
def test_a_placed_corpus_is_found_in_the_sdks_folders_or_in_one(tmp_path, flat):
    place(tmp_path, flat)
    index_corpus(PLACED, tmp_path / "corpus", tmp_path)
    about = read_json(tmp_path / "corpus" / "manifest.json")
    assert not about["synthetic"] and about["planted"] is None and "CMU-MultimodalSDK" in about["licence"]
    assert set(about["files"]) == {*MODALITIES, "labels", "words"}
    spec = AlignmentSpec(corpus=PLACED)
    align_corpus(spec, tmp_path / "corpus" / "manifest.json", {}, tmp_path / "aligned")
    assert read_json(tmp_path / "aligned" / "manifest.json")["counts"]["kept_videos"] == 6


def test_what_is_missing_is_said_with_its_place(tmp_path):
    files = place(tmp_path)
    files["audio"].unlink()
    with pytest.raises(FacetoryError, match=r"cmu_mosei not placed: expected .*acoustic/CMU_MOSEI_COVAREP"):
        index_corpus(PLACED, tmp_path / "corpus", tmp_path)
    assert not (tmp_path / "corpus" / "manifest.json").exists()


def test_a_file_under_anothers_name_is_refused_when_indexed(tmp_path):
    files = place(tmp_path)
    shutil.copy(files["video"], files["audio"])
    with pytest.raises(FacetoryError, match=r"COVAREP.csd: .*have the shape \(\d+, 35\), expected \(n, 74\)"):
        index_corpus(PLACED, tmp_path / "corpus", tmp_path)


def test_a_corpus_that_changed_since_it_was_indexed_is_refused(tmp_path):
    files = place(tmp_path)
    index_corpus(PLACED, tmp_path / "corpus", tmp_path)
    files["text"].write_bytes(files["text"].read_bytes() + b"more")
    with pytest.raises(FacetoryError, match=r"WordVectors.csd: missing or changed.*index it again"):
        align_corpus(
            AlignmentSpec(corpus=PLACED), tmp_path / "corpus" / "manifest.json", {}, tmp_path / "aligned"
        )


@pytest.mark.parametrize("policy", ["strict", "masked", "code"])
def test_a_corpus_of_which_nothing_is_left_says_why(tmp_path, policy):
    """As when the files of one corpus lie beside the labels of another."""
    files = place(tmp_path)
    values = np.zeros((2, 7), np.float32)
    spans = np.array([[0.0, 1.0], [1.0, 2.0]])
    write_csd(files["labels"], FILES["labels"][1], {"a stranger": (values, spans)})
    index_corpus(PLACED, tmp_path / "corpus", tmp_path)
    spec, folder = AlignmentSpec(corpus=PLACED, policy=policy), tmp_path / "aligned"
    why = {
        "strict": "text missing: 2",
        "masked": "text and audio and video missing: 2",
        "code": "text missing: 1",
    }
    said = f"none of 2 segments of 1 videos is left under the policy '{policy}' \\({why[policy]}\\)"
    with pytest.raises(FacetoryError, match=said):
        align_corpus(spec, tmp_path / "corpus" / "manifest.json", {}, folder)
    assert not list(folder.glob("*")) and not list(folder.glob(".*"))


def test_it_has_no_images():
    with pytest.raises(FacetoryError, match="cmu_mosei holds sequences, not images"):
        read_as_images(entry("cmu_mosei"))


def part(k, rows=3):
    streams = {m: np.full((rows, d), k, np.float32) for m, d in zip(MODALITIES, (5, 3, 2), strict=True)}
    offsets = dict.fromkeys(MODALITIES, np.array([0, 1, rows]))
    valid = {m: np.arange(rows) % 2 == 0 for m in MODALITIES}
    numbers = np.full((2, 6), k, np.float32), np.full(2, -k, np.float32), np.full((2, 2), k / 3)
    return Segments(streams, offsets, valid, *numbers, [f"v {k}[{i}][{i}]" for i in (1, 0)], {"a": 1})


def test_segments_come_back_as_they_were_written(tmp_path):
    path = tmp_path / "s.safetensors"
    write_segments(path, (part(k) for k in range(3)), {"policy": "masked"})
    found = read_segments(path)
    assert len(found) == 6 and found.about == {"policy": "masked"}
    assert found.segment_ids[2] == "v 1[1][1]" and found.videos[2] == "v 1[1]"
    np.testing.assert_array_equal(found.offsets["audio"], [0, 1, 3, 4, 6, 7, 9])
    np.testing.assert_array_equal(found.streams["video"][:, 1], [0, 0, 0, 1, 1, 1, 2, 2, 2])
    np.testing.assert_array_equal(found.valid["text"], [True, False, True] * 3)
    np.testing.assert_array_equal(found.intervals[:, 0], np.repeat([0, 1 / 3, 2 / 3], 2))
    assert (found.intervals.dtype, found.sentiment.dtype) == (np.float64, np.float32)
    one = part(1)
    write_segments(path, one)
    assert read_segments(path).about == {"a": 1} and read_segments(path).segment_ids == one.segment_ids


def test_segments_are_a_safetensors_file_like_any_other(tmp_path):
    from safetensors.numpy import load_file

    write_segments(tmp_path / "s.safetensors", part(1))
    arrays = load_file(tmp_path / "s.safetensors")
    np.testing.assert_array_equal(arrays["streams.text"], part(1).streams["text"])
    assert arrays["valid.audio"].dtype == bool


def test_what_is_read_is_mapped_and_may_be_changed_in_memory_alone(tmp_path):
    path = tmp_path / "s.safetensors"
    write_segments(path, part(1))
    found, before = read_segments(path), path.read_bytes()
    assert isinstance(found.streams["text"], np.memmap) and found.streams["text"].flags.aligned
    found.streams["text"][:] = 7
    assert path.read_bytes() == before


def test_only_one_part_is_in_memory_while_writing(tmp_path):
    living = []

    def parts():
        for k in range(20):
            made = part(k)
            living.append(weakref.ref(made.streams["text"]))
            yield made
            del made
            assert sum(reference() is not None for reference in living) <= 1

    write_segments(tmp_path / "s.safetensors", parts())
    assert len(living) == 20


def test_no_parts_truncated_files_and_other_files_are_errors(tmp_path):
    path = tmp_path / "s.safetensors"
    with pytest.raises(FacetoryError, match="no segments to write"):
        write_segments(path, iter(()))
    assert not list(tmp_path.iterdir())
    write_segments(path, part(1))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FacetoryError, match="truncated"):
        read_segments(path)
    header = json.dumps({"__metadata__": {"json": "{}"}}).encode()
    path.write_bytes(io.BytesIO(len(header).to_bytes(8, "little") + header).getvalue())
    with pytest.raises(FacetoryError, match="holds no segments"):
        read_segments(path)
