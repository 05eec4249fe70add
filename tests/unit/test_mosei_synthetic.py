"""The synthetic corpus has CMU-MOSEI's layout, imbalance and faults, and the planted signal."""

import json

import h5py
import numpy as np
import pytest
from facetory.data.mosei.align import averaged
from facetory.data.mosei.labels import INTENSITIES
from facetory.data.mosei.spec import MODALITIES, CorpusSpec
from facetory.data.mosei.splits import standard_fold
from facetory.data.mosei.spoken import vocabulary, word_vector
from facetory.data.mosei.synthetic import FILES, planted, video_ids, write_corpus
from facetory.data.mosei.utterances import labels as drawn_labels
from facetory.data.mosei.utterances import video
from facetory.data.mosei.write_csd import write_csd
from facetory.pipeline.files import FacetoryError, sha256_of
from facetory.pipeline.randomness import generator
from mmsdk import mmdatasdk
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedGroupKFold

SPEC = CorpusSpec(dataset="synthetic_mosei", videos=130, segments=7)


def read(paths):
    """Features and intervals by sequence and video."""
    found = {}
    for name, path in paths.items():
        with h5py.File(path) as file:
            data = file[FILES[name][1]]["data"]
            found[name] = {v: (data[v]["features"][:], data[v]["intervals"][:]) for v in data}
    return found


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return read(write_corpus(SPEC, tmp_path_factory.mktemp("clean"), {}))


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    return read(write_corpus(SPEC, tmp_path_factory.mktemp("faulty")))


def test_a_computational_sequence_has_the_exact_layout(tmp_path):
    features, intervals = np.ones((3, 2), np.float32), np.arange(6.0).reshape(3, 2)
    write_csd(tmp_path / "a.csd", "some root", {"vid": (features, intervals)}, {"creator": "me"})
    with h5py.File(tmp_path / "a.csd") as file:
        assert list(file) == ["some root"]
        assert set(file["some root"]) == {"data", "metadata"}
        assert set(file["some root/data/vid"]) == {"features", "intervals"}
        np.testing.assert_array_equal(file["some root/data/vid/intervals"], intervals)
        creator = file["some root/metadata/creator"]
        assert creator.shape == (1,) and h5py.check_string_dtype(creator.dtype).length is None
        assert json.loads(creator[0]) == "me"
        assert json.loads(file["some root/metadata/root name"][0]) == "some root"


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [("a/b", (2, 2), "cannot name"), ("..", (2, 2), "cannot name"), ("a", (4,), "Give")],
)
def test_what_hdf5_would_misread_is_refused(tmp_path, name, rows, message):
    with pytest.raises(FacetoryError, match=message):
        write_csd(tmp_path / "a.csd", "root", {name: (np.ones((2, 2)), np.ones(rows))})
    assert list(tmp_path.iterdir()) == []


def test_the_sdk_reads_every_file_of_a_faulty_corpus(tmp_path, capsys):
    shares = {**planted()["traps"], "unequal_lengths": 0}  # the SDK refuses a whole file for one of those
    spec = SPEC.model_copy(update={"videos": 12, "segments": 2})
    paths = write_corpus(spec, tmp_path, shares)
    dataset = mmdatasdk.mmdataset({name: str(path) for name, path in paths.items()})
    assert "does not have all the required metadata" not in capsys.readouterr().out
    for name, videos in read(paths).items():
        sequence = dataset.computational_sequences[name]
        assert set(sequence.keys()) == set(videos)
        assert "synthetic" in str(sequence.metadata["computational sequence description"])
        assert "synthetic" in str(sequence.metadata["dataset name"])
        for video_id, (features, _) in videos.items():
            np.testing.assert_array_equal(sequence[video_id]["features"], features)


def test_dimensions_rates_and_words_are_the_corpuss(clean):
    widths = {"text": 300, "audio": 74, "video": 35, "labels": 7, "words": 1}
    for name, videos in clean.items():
        assert len(videos) == SPEC.videos
        for features, intervals in videos.values():
            assert features.shape == (len(intervals), widths[name])
            assert (intervals[:, 1] > intervals[:, 0]).all()
    for name in ("audio", "video"):
        intervals = next(iter(clean[name].values()))[1]
        np.testing.assert_allclose(np.diff(intervals), 1 / planted()[name]["rate_hz"])
    for name, (words, spans) in clean["words"].items():
        assert words.dtype.kind == "S"
        vectors, again = clean["text"][name]
        np.testing.assert_array_equal(spans, again)
        assert not vectors[words[:, 0] == b"sp"].any() and vectors[words[:, 0] != b"sp"].any(axis=1).all()
    audio = np.concatenate([features for features, _ in clean["audio"].values()])
    assert 150 < audio[:, 0].mean() < 210 and np.abs(audio[:, 3]).mean() < 1


def test_the_same_word_has_the_same_vector_and_kindred_ones_are_near():
    assert not np.array_equal(word_vector("fear", 0.3), word_vector("dread", 0.3))
    words = vocabulary()["fear"]
    near = np.corrcoef([word_vector(word, 0.3) for word in words])[np.triu_indices(len(words), 1)]
    assert 0.2 < near.mean() < 0.4


def test_segments_have_the_real_number_and_spread_of_words(clean):
    counts = []
    for name, (_, segments) in clean["labels"].items():
        words, spans = clean["words"][name]
        starts = spans[words[:, 0] != b"sp", 0]
        counts += [int(((starts >= a) & (starts < b)).sum()) for a, b in segments]
    assert len(counts) / SPEC.videos == pytest.approx(SPEC.segments, rel=0.15)
    assert np.mean(counts) == pytest.approx(SPEC.words, rel=0.1)
    assert min(counts) >= 5 and max(counts) == 50


def test_labels_have_the_published_imbalance():
    labels = drawn_labels(generator(0, "test"), 6000, planted()["labels"])
    intensities = labels[:, 1:]
    silent = ~intensities.any(axis=1)
    assert silent.mean() == pytest.approx(0.149, abs=0.02)
    shown = intensities[~silent]
    ties = (shown == shown.max(1, keepdims=True)).sum(1) > 1
    assert ties.mean() == pytest.approx(0.146, abs=0.02)
    published = np.array([10884, 3731, 2694, 428, 1278, 450])
    found = np.bincount(shown.argmax(1), minlength=6) / len(shown)
    np.testing.assert_allclose(found, published / published.sum(), atol=0.02)
    thirds = labels * 3
    np.testing.assert_allclose(thirds, thirds.round(), atol=1e-5)
    assert intensities.min() == 0 and intensities.max() == 3 and np.abs(labels[:, 0]).max() == 3
    column = INTENSITIES.index
    assert np.corrcoef(labels[:, 0], intensities[:, column("happy")])[0, 1] > 0.4
    assert np.corrcoef(labels[:, 0], intensities[:, column("anger")])[0, 1] < -0.2


def test_each_fault_occurs(faulty):
    labels, words = faulty["labels"], faulty["words"]
    audio = np.concatenate([features for features, _ in faulty["audio"].values()])
    assert np.isneginf(audio).any() and not np.isnan(audio).any()
    faceless = np.isnan(np.concatenate([features for features, _ in faulty["video"].values()]))
    assert faceless.any() and (faceless.all(axis=1) == faceless.any(axis=1)).all()
    assert any((np.diff(spans) == 0).any() for _, spans in words.values())
    assert any((np.diff(spans) == 0).any() for _, spans in labels.values())
    assert any((np.diff(spans[:, 0]) < 0).any() for _, spans in labels.values())
    ordered = [spans[np.argsort(spans[:, 0], kind="stable")] for _, spans in labels.values()]
    assert any((spans[:-1, 1] > spans[1:, 0] + 0.1).any() for spans in ordered)
    values = np.concatenate([features for features, _ in labels.values()])
    assert (np.abs(values[:, 0]) > 3).any() and (values[:, 1:] > 3).any()
    unequal = [len(f) - len(i) for m in MODALITIES for f, i in faulty[m].values() if len(f) != len(i)]
    assert {-1, 1} >= set(unequal) and unequal
    absent = [set(labels) - set(faulty[m]) for m in MODALITIES]
    assert sum(map(len, absent)) == len(set.union(*absent)) == 11  # ⌈0.08 · 130⌉
    assert set(faulty["words"]) == set(faulty["text"])
    prefixes = [a for a in labels for b in labels if a != b and b.startswith(a)]
    assert len(prefixes) == 3 and not any(map(standard_fold, prefixes))


def test_most_segments_are_whole(faulty):
    """Three quarters of the segments keep all modalities, whatever a reader does with odd videos."""
    odd = {v for m in MODALITIES for v, (f, i) in faulty[m].items() if len(f) != len(i)}
    whole = [v for v in faulty["labels"] if v not in odd and all(v in faulty[m] for m in MODALITIES)]
    counts = {v: len(f) for v, (f, _) in faulty["labels"].items()}
    assert sum(counts[v] for v in whole) > 0.75 * sum(counts.values())


def test_ids_follow_the_folds_proportions():
    folds = [standard_fold(name) for name in video_ids(100, 3)]
    assert [folds.count(part) for part in ("train", "validation", "test")] == pytest.approx(
        [70, 9, 21], abs=1
    )
    ids = video_ids(130, 0, 0.02)
    assert len(set(ids)) == 130 and [standard_fold(name) for name in ids].count(None) == 3
    for count in (0, 4000):
        with pytest.raises(FacetoryError, match="videos asked for"):
            video_ids(count, 0)


def test_a_corpus_is_a_function_of_its_spec(tmp_path):
    spec = CorpusSpec(dataset="synthetic_mosei", videos=3, segments=2, words=8)
    first, again = write_corpus(spec, tmp_path / "a"), write_corpus(spec, tmp_path / "b")
    assert [sha256_of(path) for path in first.values()] == [sha256_of(path) for path in again.values()]
    larger = read(write_corpus(spec.model_copy(update={"videos": 5}), tmp_path / "c", {}))
    for name, videos in read(write_corpus(spec, tmp_path / "d", {})).items():
        for video_id, (features, _) in videos.items():
            np.testing.assert_array_equal(features, larger[name][video_id][0])
    other = video(video_ids(1, 0)[0], spec.model_copy(update={"seed": 1}), planted())
    assert not np.array_equal(other["audio"][0][:5], larger["audio"][video_ids(1, 0)[0]][0][:5])


def probe(features, emotions, videos):
    """Balanced accuracy of a linear probe, videos held out fivefold."""
    predicted = np.zeros_like(emotions)
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(features, emotions, videos)
    for train, test in folds:
        mean, std = features[train].mean(0), features[train].std(0) + 1e-6
        linear = LogisticRegression(C=0.01, class_weight="balanced", max_iter=300)
        linear.fit((features[train] - mean) / std, emotions[train])
        predicted[test] = linear.predict((features[test] - mean) / std)
    return balanced_accuracy_score(emotions, predicted)


def test_each_modality_tells_the_emotion_in_the_planted_order(clean):
    pooled, emotions, videos = {m: [] for m in MODALITIES}, [], []
    for name, (labels, segments) in clean["labels"].items():
        shown = labels[:, 1:].any(axis=1)
        for modality in MODALITIES:
            features, intervals = clean[modality][name]
            pooled[modality].append(averaged(segments[shown], intervals, features))
        emotions.append(labels[shown, 1:].argmax(axis=1))
        videos += [name] * int(shown.sum())
    y = np.concatenate(emotions)
    streams = {modality: np.concatenate(parts) for modality, parts in pooled.items()}
    scores = {modality: probe(stream, y, videos) for modality, stream in streams.items()}
    joint = probe(np.concatenate(list(streams.values()), axis=1), y, videos)
    assert joint > scores["text"] > scores["audio"] > scores["video"] > 1 / 6 + 0.1
    assert 0.5 < joint < 0.8
