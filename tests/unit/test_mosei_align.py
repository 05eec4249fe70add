"""Frames meet words and words meet segments as in the SDK, however the intervals lie."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from facetory.data.mosei import align
from facetory.data.mosei.align import EPSILON, averaged, intersections
from facetory.data.mosei.csd import Stream
from facetory.data.mosei.ledger import dropped
from facetory.data.mosei.segments import read_segments
from facetory.data.mosei.spec import MODALITIES, AlignmentSpec, CorpusSpec
from facetory.data.mosei.stage import align_corpus, index_corpus
from facetory.data.mosei.synthetic import FILES
from facetory.data.mosei.words import first_rows, word_segments
from facetory.data.mosei.write_csd import write_csd
from hypothesis import given
from hypothesis import strategies as st

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "mosei_alignment.py"
WIDTHS = {"text": 3, "audio": 2, "video": 1}
spans = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 25)).map(lambda pair: (pair[0], pair[0] + pair[1])),
    max_size=25,
).map(lambda pairs: np.array(pairs, np.float64).reshape(-1, 2) * 5e-4)
"""Intervals in halves of a millisecond: many share exactly EPSILON, nest, repeat or last no time."""


def naive(reference, intervals):
    """The SDK's comparison of one reference with every interval, as a sorted list of rows."""
    shared = np.minimum(intervals[:, 1], reference[1]) - np.maximum(intervals[:, 0], reference[0])
    rows = np.flatnonzero(shared > EPSILON)
    return rows[np.argsort(intervals[rows, 0], kind="stable")].tolist()


@given(spans, spans, st.sampled_from([1, 3, 1 << 21]))
def test_intersections_are_those_of_comparing_each_with_each(references, intervals, candidates):
    before, align.CANDIDATES = align.CANDIDATES, candidates
    offsets, members = intersections(references, intervals)
    align.CANDIDATES = before
    for i, reference in enumerate(references):
        assert members[offsets[i] : offsets[i + 1]].tolist() == naive(reference, intervals)
    assert offsets[-1] == len(members)


@given(spans, spans, st.randoms(use_true_random=False))
def test_the_mean_counts_the_finite_entries_of_each_column(references, intervals, random):
    choices = (1.5, -2.0, 1e4, np.nan, -np.inf, np.inf)
    features = np.array([[random.choice(choices) for _ in range(3)] for _ in intervals], np.float32)
    features = features.reshape(-1, 3)
    found = averaged(references, intervals, features)
    assert found.dtype == np.float32 and found.shape == (len(references), 3)
    for i, reference in enumerate(references):
        for column in range(3):
            entries = [features[row, column] for row in naive(reference, intervals)]
            entries = [float(entry) for entry in entries if np.isfinite(entry)]
            expected = sum(entries) / len(entries) if entries else np.nan
            assert found[i, column] == pytest.approx(expected, rel=1e-6, nan_ok=True)


def test_a_mean_by_hand():
    words = np.array([[0.0, 0.25], [0.25, 0.5], [2.0, 2.5]])
    frames = np.array([[0.2, 0.3], [0.0, 0.1], [0.1, 0.2], [0.4, 0.5009]])
    features = np.array([[4, 1], [1, 1], [np.nan, 7], [6, -np.inf]], np.float32)
    expected = [[2.5, 3], [5, 1], [np.nan, np.nan]]
    np.testing.assert_array_equal(averaged(words, frames, features), np.array(expected, np.float32))


def test_sharing_a_millisecond_is_not_meeting():
    frames = np.array([[1.0, 1.1]])
    words = np.array([[0.9, 1.0005], [0.9, 1.002], [1.0995, 1.2], [1.098, 1.2]])
    assert np.diff(intersections(words, frames)[0]).tolist() == [0, 1, 0, 1]


def stream(width, *intervals, first=1.0):
    features = first + np.arange(len(intervals), dtype=np.float32)
    return Stream(np.repeat(features[:, None], width, 1), np.array(intervals, np.float64).reshape(-1, 2))


def labelled(*intervals, happy=1.0):
    values = np.zeros((len(intervals), 7), np.float32)
    values[:, 1] = happy
    return Stream(values, np.array(intervals, np.float64))


def video(**changes):
    """Words at 0, 1, 2, 3 s (the second a pause: zeros), two frames a word in both other streams."""
    words = stream(3, (0, 0.9), (1, 1.9), (2, 2.9), (3, 3.9))
    words.features[1] = 0
    halves = [(t / 2, t / 2 + 0.45) for t in range(8)]
    return {"text": words, "audio": stream(2, *halves), "video": stream(1, *halves, first=11)} | changes


def segments(labels, streams, length=50, strict=True):
    found, odd = word_segments("v", labels, {m: s for m, s in streams.items() if s}, WIDTHS, length, strict)
    return found, {(row.segment, row.problem): row for row in odd}


def test_a_segment_has_its_words_and_what_was_heard_and_seen_with_each():
    found, odd = segments(labelled((0, 2), (2.5, 5)), video())
    assert not odd and found.segment_ids == ["v[0]", "v[1]"] and found.videos == ["v", "v"]
    np.testing.assert_array_equal(found.offsets["text"], [0, 2, 4])
    np.testing.assert_array_equal(found.streams["text"][:, 0], [1, 0, 3, 4])
    np.testing.assert_array_equal(found.streams["audio"][:, 1], [1.5, 3.5, 5.5, 7.5])
    np.testing.assert_array_equal(found.streams["video"][:, 0], [11.5, 13.5, 15.5, 17.5])
    assert all(found.valid[m].all() for m in MODALITIES)
    np.testing.assert_array_equal(found.intensities, [[1, 0, 0, 0, 0, 0]] * 2)


def test_only_the_first_words_are_kept_and_the_ledger_says_so():
    found, odd = segments(labelled((0, 4), (2, 4)), video(), length=3)
    np.testing.assert_array_equal(found.streams["text"][:, 0], [1, 0, 3, 3, 4])
    np.testing.assert_array_equal(found.offsets["video"], [0, 3, 5])
    assert odd[0, "more than 3 words"].action == "truncated"
    assert odd[0, "more than 3 words"].detail == "4 words"
    assert odd[1, "label interval overlaps an earlier one"].action == "kept"


def test_a_word_without_frames_is_a_row_that_was_not_measured():
    found, _ = segments(labelled((0, 4)), video(audio=stream(2, (0, 0.5), (3, 3.5))))
    np.testing.assert_array_equal(found.valid["audio"], [True, False, False, True])
    np.testing.assert_array_equal(np.isnan(found.streams["audio"][:, 0]), [False, True, True, False])
    assert found.valid["text"].all() and found.valid["video"].all()


@pytest.mark.parametrize("name", MODALITIES[1:])
def test_strict_drops_and_masked_keeps_what_lacks_a_modality(name):
    gone = video(**{name: None})
    found, odd = segments(labelled((0, 4)), gone)
    assert found is None and odd[0, f"{name} missing"].action == "dropped"
    assert odd["", f"no {name} in the corpus"].action == "all segments dropped"
    found, odd = segments(labelled((0, 4)), gone, strict=False)
    assert not found.valid[name].any() and np.isnan(found.streams[name]).all()
    assert found.streams[name].shape == (4, WIDTHS[name])
    assert odd["", f"no {name} in the corpus"].action == "masked"


def test_without_words_a_masked_segment_has_slices():
    labels = labelled((0, 1), (2, 20))
    found, odd = segments(labels, video(text=None))
    assert found is None and odd[0, "text missing"].action == odd[1, "text missing"].action == "dropped"
    found, _ = segments(labels, video(text=None), length=8, strict=False)
    np.testing.assert_array_equal(found.offsets["text"], [0, 4, 12])
    assert not found.valid["text"].any()
    # 0–0.3, 0.3–0.6, 0.6–0.9 and 0.9–1 s against frames at 0–0.45, 0.5–0.95 …
    np.testing.assert_array_equal(found.streams["audio"][:4, 0], [1, 1.5, 2, 2])
    np.testing.assert_array_equal(found.valid["audio"][4:], [True] * 7 + [False])


def test_a_segment_in_silence_has_slices_where_others_have_words():
    silence = video(text=stream(3, (0, 0.9)))
    found, _ = segments(labelled((0, 1), (2, 2.6)), silence, strict=False)
    np.testing.assert_array_equal(found.offsets["text"], [0, 1, 3])
    np.testing.assert_array_equal(found.valid["text"], [True, False, False])
    np.testing.assert_array_equal(found.streams["audio"][:, 0], [1.5, 5, 5.5])


def test_labels_that_cannot_be_used_are_dropped_with_a_reason_each():
    labels = labelled((3, 4), (0, 1), (1, 1), (1, 2), (2, 1), (2, 3), (0, 4))
    labels.features[3, 0] = 3.5
    labels.features[5, 6] = np.nan
    labels.features[6, 4] = -0.1
    found, odd = segments(labels, video())
    assert found.segment_ids == ["v[1]", "v[0]"]
    assert odd["", "label intervals out of order"].action == "sorted"
    assert {segment: problem for (segment, problem), row in odd.items() if row.action == "dropped"} == {
        2: "label interval of no length",
        3: "label out of range",
        4: "label interval is none",
        5: "label is no number",
        6: "label out of range",
    }
    assert odd[3, "label out of range"].detail == "sentiment 3.5 is outside -3 to 3"
    assert odd[6, "label out of range"].detail == "surprise -0.1 is outside 0 to 3"
    assert dropped(odd.values())["label out of range"] == 2


def test_more_features_than_intervals_leave_nothing_under_strict_and_the_common_beginning_otherwise():
    audio = video()["audio"]
    odd_stream = Stream(audio.features, audio.intervals[:-2])
    found, odd = segments(labelled((0, 4)), video(audio=odd_stream))
    assert found is None and odd["", "audio and its intervals differ in number"].action == "taken as missing"
    found, odd = segments(labelled((0, 4)), video(audio=odd_stream), strict=False)
    np.testing.assert_array_equal(found.valid["audio"], [True, True, True, False])
    assert odd["", "audio and its intervals differ in number"].detail == "8 features, 6 intervals"


def test_intervals_that_are_none_words_of_no_length_and_infinite_entries_are_left_out():
    frames, words = video()["audio"], video()["text"]
    frames.intervals[0], frames.intervals[2, 1] = [np.nan, 1], 0.5
    frames.features[4, 0] = -np.inf
    words.intervals[3, 1] = 3.0005
    found, odd = segments(labelled((0, 4)), video(audio=frames, text=words))
    np.testing.assert_array_equal(found.streams["audio"], [[2, 2], [4, 4], [6, 5.5]])
    assert odd["", "audio intervals that are none"].detail == "2 of 8"
    assert odd["", "words of no length"].detail == "1 of 4"
    assert odd["", "audio is not finite"].detail == "1 of 12 entries"


def test_the_released_way_takes_rows_as_they_come_and_drops_what_differs_in_number():
    streams = video(audio=stream(2, (5, 6), (0, 1)))
    streams["video"].features[1] = -np.inf
    lengths = {"text": (4, 4), "audio": (2, 2), "video": (8, 8), "labels": (2, 2)}
    labels = labelled((3, 4), (0, 1))
    found, odd = first_rows("v", labels, streams, lengths)
    assert not odd and found.segment_ids == ["v[0]"]
    np.testing.assert_array_equal(found.intervals, [[3, 4]])
    assert [found.offsets[m].tolist() for m in MODALITIES] == [[0, 4], [0, 2], [0, 8]]
    np.testing.assert_array_equal(found.streams["audio"][:, 0], [1, 2])
    np.testing.assert_array_equal(np.flatnonzero(~found.valid["video"]), [1])
    for name, said in (("audio", "audio missing"), ("labels", "labels missing")):
        found, odd = first_rows("v", labels, streams, {**lengths, name: (0, 0)})
        assert found is None and dropped(odd) == {said: 1}
    found, odd = first_rows("v", labels, streams, {**lengths, "video": (8, 7)})
    assert found is None and dropped(odd) == {"video and its intervals differ in number": 1}


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("mosei_benchmark", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def small_corpus(folder, gaps):
    """Ids that begin each other; words, then frames of uneven length; labels in no order between words."""
    draw = np.random.default_rng(3)
    data = {name: {} for name in FILES if name != "words"}
    for name in ("ab", "abc", "b"):
        starts = np.cumsum(draw.uniform(0.2, 0.6, 30))
        words = np.stack([starts, starts + draw.uniform(0.1, 0.2, 30)], 1)
        data["text"][name] = (draw.normal(size=(30, 300)).astype("f4"), words[::-1].copy())
        for modality, width, rate in (("audio", 74, 0.01), ("video", 35, 0.033)):
            times = np.arange(0, 20, rate)
            frames = np.stack([times, times + draw.uniform(rate, 3 * rate, len(times))], 1)
            if gaps:
                frames = frames[(times < 3) | (times > 6)]
            order = draw.permutation(len(frames))
            data[modality][name] = (draw.normal(size=(len(frames), width)).astype("f4") * 5, frames[order])
        cuts = starts[[0, 7, 15, 29]] - 0.005
        labels = np.stack([cuts[:-1], cuts[1:]], 1)[[2, 0, 1]]
        data["labels"][name] = (np.eye(3, 7, 1, "f4"), labels)
    files = {name: folder / "mosei" / FILES[name][0] for name in data}
    for name, content in data.items():
        write_csd(files[name], FILES[name][1], content)
    return files


def ours(folder, policy):
    corpus = CorpusSpec(dataset="cmu_mosei")
    index_corpus(corpus, folder / "corpus", folder)
    spec = AlignmentSpec(corpus=corpus, policy=policy, length=1000)
    align_corpus(spec, folder / "corpus" / "manifest.json", {}, folder / "aligned")
    return read_segments(folder / "aligned" / "segments.safetensors")


def test_it_agrees_with_the_sdk(benchmark, tmp_path):
    theirs = benchmark.sdk_segments(small_corpus(tmp_path, gaps=False))
    found = ours(tmp_path, "strict")
    assert found.segment_ids[:3] == ["ab[1]", "ab[2]", "ab[0]"] and len(found) == 9
    assert benchmark.largest_difference(found, theirs) < 1e-6
    found.streams["audio"][5, 3] += 1e-4
    with pytest.raises(benchmark.FacetoryError, match="differ by"):
        benchmark.largest_difference(found, theirs)


def test_it_agrees_with_the_sdk_where_zeros_fill_the_gaps(benchmark, tmp_path):
    theirs = benchmark.sdk_segments(small_corpus(tmp_path, gaps=True), impute=True)
    found = ours(tmp_path, "masked")
    assert not found.valid["audio"].all() and found.valid["text"].all()
    for name in MODALITIES:
        assert (np.isnan(found.streams[name]).all(axis=1) == ~found.valid[name]).all()
        found.streams[name] = np.nan_to_num(found.streams[name])
    assert benchmark.largest_difference(found, theirs) < 1e-6


def test_a_video_whose_id_begins_anothers_survives_the_others_loss(tmp_path):
    """The SDK asks whether some id begins with it, and then fails to find it."""
    files = small_corpus(tmp_path, gaps=False)
    draw = np.random.default_rng(0)
    frames = np.arange(0, 20, 0.5)
    content = {
        name: (draw.normal(size=(40, 74)).astype("f4"), np.stack([frames, frames + 0.5], 1))
        for name in ("abc", "b")
    }
    write_csd(files["audio"], "COVAREP", content)
    found = ours(tmp_path, "strict")
    assert sorted(set(found.videos)) == ["abc", "b"]
    ledger = (tmp_path / "aligned" / "ledger.csv").read_text()
    assert "ab,,id begins another id,kept,abc" in ledger and "ab,0,audio missing,dropped," in ledger
