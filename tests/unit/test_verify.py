"""Benchmarks and verification as stages: what they write, what they refuse, that the numbers are right."""

import io
import pickle

import numpy as np
import pytest
from facetory.data import verification_bin
from facetory.data.ijbc import read_protocol
from facetory.faces.face_set import file_entry, write_face_file
from facetory.faces.spec import FaceSetSpec
from facetory.metrics.folds import fold_accuracies, kfold
from facetory.metrics.tar import tar_at_far
from facetory.pipeline.files import (
    FacetoryError,
    read_json,
    read_metadata,
    sha256_of,
    write_json,
    write_tensors,
)
from facetory.recognition import verify as stage
from facetory.recognition.benchmark import make_benchmark, read_ijbc
from facetory.recognition.face_model import load_face_recognizer
from facetory.recognition.face_spec import BenchmarkSpec, FaceRecognizerSpec, VerificationSpec
from facetory.recognition.iresnet import iresnet
from facetory.recognition.templates import distinct_features, face_features, pair_scores, template_features
from facetory.recognition.verify import verify, verify_bin
from PIL import Image
from safetensors.numpy import load_file
from test_ijbc import released

PX, PEOPLE, IMAGES, PAIRS, FOLDS = 32, 12, 5, 60, 3
RECOGNISER = FaceRecognizerSpec(
    dataset="drawn", faces="face_sets/drawn", network="small", px=PX, embedding=16
)
DRAWN = BenchmarkSpec(
    dataset="drawn",
    protocol="pairs",
    faces=FaceSetSpec(dataset="drawn", px=PX),
    pairs=PAIRS,
    folds=FOLDS,
    px=PX,
)


def drawn_faces(seed=0, noise=60.0):
    """Faces of people who differ in a coarse pattern, uint8 (people · images, 3, PX, PX)."""
    draw = np.random.default_rng(seed)
    patterns = draw.integers(40, 216, (PEOPLE, 3, 4, 4)).repeat(PX // 4, 2).repeat(PX // 4, 3)
    faces = patterns.repeat(IMAGES, 0) + draw.normal(0, noise, (PEOPLE * IMAGES, 3, PX, PX))
    return np.clip(faces, 0, 255).astype(np.uint8)


@pytest.fixture
def faces(tmp_path):
    """A face set's manifest."""
    folder = tmp_path / "face_sets" / "drawn"
    identity, image = np.repeat(np.arange(PEOPLE), IMAGES), np.tile(np.arange(IMAGES), PEOPLE)
    names = {number: f"p{number}" for number in range(PEOPLE)}
    path = folder / "faces.safetensors"
    write_face_file(path, drawn_faces(), identity, image, np.ones(len(image), bool), names)
    about = {"dataset": "drawn", "split": "test", "synthetic": True, "title": "Drawn"}
    record = {"status": "gathered", "px": PX, "about": about, "files": [file_entry(folder, path)]}
    write_json(folder / "manifest.json", record)
    return folder / "manifest.json"


@pytest.fixture
def model(tmp_path):
    """The folder of a recogniser, which knows nothing yet."""
    import torch

    torch.manual_seed(0)
    path = tmp_path / "recogniser" / "weights.safetensors"
    about = {"network": "small", "px": PX, "embedding": 16}
    weights = {name: tensor.contiguous() for name, tensor in iresnet("small", PX, 16).state_dict().items()}
    write_tensors(path, weights, about)
    write_json(
        path.with_name("manifest.json"), {"status": "trained", "outputs": {path.name: sha256_of(path)}}
    )
    return path.parent


@pytest.fixture
def benchmark(tmp_path, faces):
    make_benchmark(DRAWN, tmp_path / "benchmark", faces)
    return tmp_path / "benchmark"


def coarse(images):
    """A recogniser for the drawn faces: the mean levels of their 16 fields, not of unit length."""
    fields = images.reshape(len(images), 3, 4, PX // 4, 4, PX // 4).mean((3, 5)).reshape(len(images), -1)
    return (fields - 128).astype(np.float32)


def literal(images, same, fold):
    """Distances and accuracies of the coarse recogniser, written out."""
    features = coarse(images) + coarse(images[..., ::-1])
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    distance = ((features[0::2] - features[1::2]) ** 2).sum(1)
    found = []
    for test in range(fold.max() + 1):
        thresholds = np.arange(0, 4, 0.01)
        right = [np.mean((distance < t)[fold != test] == same[fold != test]) for t in thresholds]
        best = thresholds[np.argmax(right)]
        found.append(np.mean((distance < best)[fold == test] == same[fold == test]))
    return distance, found


class TestBenchmark:
    def test_pairs_of_a_face_set(self, benchmark):
        record, tensors = read_json(benchmark / "manifest.json"), load_file(benchmark / "pairs.safetensors")
        assert record["status"] == "read" and record["stand_in_of"] is None
        assert [record[name] for name in ("pairs", "asked", "people", "folds")] == [
            PAIRS,
            PAIRS,
            PEOPLE,
            FOLDS,
        ]
        assert tensors["images"].shape == (2 * PAIRS, 3, PX, PX) and tensors["images"].dtype == np.uint8
        assert tensors["same"].sum() == PAIRS / 2 and tensors["fold"].max() == FOLDS - 1
        distinct = np.unique(tensors["images"].reshape(2 * PAIRS, -1), axis=0, return_inverse=True)[1]
        assert len(set(zip(tensors["face"].tolist(), distinct.tolist(), strict=True))) == distinct.max() + 1
        people = read_metadata(benchmark / "pairs.safetensors")["people"]
        assert [a == b for a, b in people] == tensors["same"].tolist()
        originals = drawn_faces()
        for pair, names in enumerate(people):
            for side, name in enumerate(names):
                own = originals[int(name[1:]) * IMAGES :][:IMAGES]
                assert (own == tensors["images"][2 * pair + side]).all((1, 2, 3)).any()

    def test_fewer_than_asked_for_are_told(self, tmp_path, faces):
        make_benchmark(DRAWN.model_copy(update={"pairs": 6000}), tmp_path / "b", faces)
        record = read_json(tmp_path / "b" / "manifest.json")
        assert record["asked"] == 6000 and record["pairs"] == FOLDS * 2 * 40  # 4 people with 10 pairs each

    def test_pairs_of_a_bin(self, tmp_path, monkeypatch):
        images = drawn_faces()[:20]
        path = written_bin(tmp_path / "lfw.bin", images)
        spec = BenchmarkSpec(dataset="lfw", px=PX)
        with pytest.raises(FacetoryError, match="its sha256 is"):
            make_benchmark(spec, tmp_path / "b", path)
        monkeypatch.setitem(verification_bin.SHA256, "lfw", sha256_of(path))
        make_benchmark(spec, tmp_path / "b", path)
        tensors = load_file(tmp_path / "b" / "pairs.safetensors")
        assert (tensors["images"] == images).all() and tensors["fold"].tolist() == list(range(10))
        record = read_json(tmp_path / "b" / "manifest.json")
        assert record["title"] == "LFW, 6,000 pairs" and record["people"] is None and record["pairs"] == 10

    def test_ijbcs_protocol(self, tmp_path):
        source = released(tmp_path / "ijbc")
        make_benchmark(BenchmarkSpec(dataset="ijbc", protocol="ijbc"), tmp_path / "b", source)
        for own, expected in zip(
            read_ijbc(tmp_path / "b" / "pairs.safetensors"), read_protocol(source), strict=True
        ):
            assert np.array_equal(own, expected)
        record = read_json(tmp_path / "b" / "manifest.json")
        assert (record["faces"], record["templates"], record["pairs"]) == (45, 12, 144)
        assert record["as_published"] is False and len(record["inputs"]) == 3

    def test_faces_that_were_not_gathered(self, tmp_path, faces):
        write_json(faces, {"status": "not_run", "reason": "the generator diverged"})
        make_benchmark(DRAWN, tmp_path / "b", faces)
        record = read_json(tmp_path / "b" / "manifest.json")
        assert record["status"] == "not_run" and record["reason"] == "drawn: the generator diverged"

    @pytest.mark.parametrize(
        ("spec", "problem"),
        [
            (DRAWN.model_copy(update={"px": 64}), "its faces have 32 px, the benchmark 64"),
            (BenchmarkSpec(dataset="lwf"), "Did you mean 'lfw'"),
            (BenchmarkSpec(dataset="ijbc", protocol="ijbc"), "ijbc_face_tid_mid.txt is missing"),
        ],
    )
    def test_what_does_not_fit_is_an_error(self, tmp_path, faces, spec, problem):
        source = faces.parent if spec.protocol == "ijbc" else faces
        with pytest.raises(FacetoryError, match=problem):
            make_benchmark(spec, tmp_path / "b", source)


class TestVerify:
    def test_it_is_the_protocol_written_out(self, tmp_path, benchmark, model, monkeypatch):
        monkeypatch.setattr(stage, "load_face_recognizer", lambda folder, device, batch_size: (coarse, {}))
        spec = VerificationSpec(model=RECOGNISER, benchmark=DRAWN, batch_size=7)
        verify(spec, model, benchmark, tmp_path / "v")
        pairs, found = (
            load_file(benchmark / "pairs.safetensors"),
            load_file(tmp_path / "v/records.safetensors"),
        )
        distance, accuracies = literal(pairs["images"], pairs["same"], pairs["fold"])
        assert (
            found["distance"] == pytest.approx(distance, abs=1e-5) and found["distance"].dtype == np.float32
        )
        assert (found["same"] == pairs["same"]).all() and (found["fold"] == pairs["fold"]).all()
        record = read_json(tmp_path / "v" / "manifest.json")
        metric = record["metrics"]["accuracy"]
        assert record["status"] == "verified" and record["resampled"] == "people"
        assert metric["value"] == pytest.approx(np.mean(accuracies)) and metric["n"] == PAIRS
        assert metric["sd"] == pytest.approx(np.std(accuracies))
        assert metric["low"] <= metric["value"] <= metric["high"] and metric["value"] > 0.6

    def test_by_a_recognisers_weights(self, tmp_path, benchmark, model):
        spec = VerificationSpec(model=RECOGNISER, benchmark=DRAWN)
        verify(spec, model, benchmark, tmp_path / "v")
        pairs, found = (
            load_file(benchmark / "pairs.safetensors"),
            load_file(tmp_path / "v/records.safetensors"),
        )
        describe, _ = load_face_recognizer(model)
        features = describe(pairs["images"]) + describe(pairs["images"][..., ::-1].copy())
        features /= np.linalg.norm(features, axis=1, keepdims=True)
        expected = np.square(features[0::2] - features[1::2]).sum(1)
        assert found["distance"] == pytest.approx(expected, abs=1e-6) and np.ptp(expected) > 0
        inputs = read_json(tmp_path / "v" / "manifest.json")["inputs"]
        assert set(inputs) == {str(benchmark / "pairs.safetensors"), str(model / "weights.safetensors")}

    @pytest.mark.parametrize("far", ["at_most", "nearest"])
    def test_on_ijbc(self, tmp_path, model, far):
        source = released(tmp_path / "data" / "ijbc")
        asked = BenchmarkSpec(dataset="ijbc", protocol="ijbc", px=PX)
        make_benchmark(asked, tmp_path / "b", source)
        spec = VerificationSpec(model=RECOGNISER, benchmark=asked, far=far)
        verify(spec, model, tmp_path / "b", tmp_path / "v", data_root=tmp_path / "data")
        found, protocol = load_file(tmp_path / "v" / "records.safetensors"), read_protocol(source)
        describe, _ = load_face_recognizer(model)
        features = template_features(describe, protocol, source, PX, 16)
        scores = pair_scores(features, protocol.first, protocol.second)
        assert found["scores"] == pytest.approx(scores, abs=1e-5)
        assert (found["labels"] == protocol.same).all()
        metrics = read_json(tmp_path / "v" / "manifest.json")["metrics"]
        same = found["labels"]
        for name, target in (("tar@1e-5", 1e-5), ("tar@1e-4", 1e-4)):
            expected = tar_at_far(found["scores"][same], found["scores"][~same], target, far)
            assert metrics[name] == expected._asdict()

    def test_without_a_model_or_a_benchmark_it_is_not_run(self, tmp_path, benchmark, model):
        spec = VerificationSpec(model=RECOGNISER, benchmark=DRAWN)
        write_json(model / "manifest.json", {"status": "failed", "reason": "the loss is NaN"})
        verify(spec, model, benchmark, tmp_path / "v")
        record = read_json(tmp_path / "v" / "manifest.json")
        assert (record["status"], record["reason"]) == ("not_run", "its training failed: the loss is NaN")
        write_json(benchmark / "manifest.json", {"status": "not_run", "reason": "drawn: no faces"})
        verify(spec, model, benchmark, tmp_path / "v")
        assert (
            read_json(tmp_path / "v/manifest.json")["reason"] == "its benchmark was not made: drawn: no faces"
        )
        assert not (tmp_path / "v" / "records.safetensors").exists()

    def test_a_changed_file_is_refused(self, tmp_path, benchmark, model):
        (model / "weights.safetensors").write_bytes(b"another")
        with pytest.raises(FacetoryError, match=r"weights\.safetensors: differs from the hash"):
            verify(VerificationSpec(model=RECOGNISER, benchmark=DRAWN), model, benchmark, tmp_path / "v")

    def test_by_dlibs_network(self, tmp_path, benchmark):
        pytest.importorskip("dlib")
        verify(VerificationSpec(model="dlib", benchmark=DRAWN), None, benchmark, tmp_path / "v")
        record = read_json(tmp_path / "v" / "manifest.json")
        assert record["status"] == "verified" and record["not_found"] == 0
        assert any("dlib_face_recognition" in name for name in record["inputs"])


def written_bin(path, images, same=None):
    def encoded(image):
        buffer = io.BytesIO()
        Image.fromarray(image.transpose(1, 2, 0)).save(buffer, "PNG")
        return buffer.getvalue()

    same = [i % 2 == 0 for i in range(len(images) // 2)] if same is None else same
    path.write_bytes(pickle.dumps(([encoded(image) for image in images], same), 2))
    return path


def test_a_bin_of_ones_own(tmp_path, benchmark, model):
    pairs = load_file(benchmark / "pairs.safetensors")
    path = written_bin(tmp_path / "own.bin", pairs["images"], pairs["same"].tolist())
    found = verify_bin(model, path, sha256=sha256_of(path), px=PX)
    assert (found.title, found.pairs) == ("own", PAIRS) and found.accuracy.resampled == "pairs"
    expected = fold_accuracies(found.distance, pairs["same"], kfold(PAIRS, 10))
    assert found.accuracy.estimate.value == pytest.approx(expected.mean())
    with pytest.raises(FacetoryError, match="unknown verification set 'own'"):
        verify_bin(model, path)
    with pytest.raises(FacetoryError, match=r"unknown model .*elasticface_arc"):
        verify_bin("elasticface", path, sha256=sha256_of(path), px=PX)


def test_every_forward_pass_has_one_size():
    sizes, rows = [], []

    def describe(images):
        sizes.append(len(images))
        return images[:, 0, 0, :1].astype(np.float32)

    def read(positions):
        rows.append(positions.tolist())
        return np.asarray(positions, dtype=np.uint8)[:, None, None, None].repeat(2, 3)

    found = list(face_features(describe, read, 10, 4))
    assert set(sizes) == {4} and rows == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 9, 9]]
    assert np.concatenate([features[:, 0] for _, features in found]).tolist() == [2.0 * i for i in range(10)]
    assert np.concatenate([positions for positions, _ in found]).tolist() == list(range(10))


def test_a_face_in_several_pairs_is_described_once():
    described = []

    def describe(images):
        described.extend(images[:, 0, 0, 0].tolist())
        return images[:, :2, 0, 0].astype(np.float32)

    images = np.array([[3, 4], [1, 0], [3, 4], [0, 2], [1, 0]], dtype=np.uint8)[:, :, None, None]
    found = distinct_features(describe, images.__getitem__, np.array([5, 2, 5, 0, 2]), 2)
    assert found == pytest.approx(np.array([[0.6, 0.8], [1, 0], [0.6, 0.8], [0, 1], [1, 0]]))
    assert sorted(described[::4] + described[1::4]) == [0, 1, 3, 3]  # three faces, the last batch filled up
