"""Fabricated datasets: every one, in every layout, is read by the loader of the real set."""

import io
import pickle
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from facetory.data import catalogue
from facetory.data.anny.expressions import BLENDS
from facetory.data.anny.grey import BOX
from facetory.data.attributes import attributes_of
from facetory.data.casia_webface import RECORDS
from facetory.data.ijbc import read_protocol
from facetory.data.images import read_image
from facetory.data.index import read_index
from facetory.data.labels import BASIC, COMPOUND
from facetory.data.mosei.csd import STRINGS, open_csd
from facetory.data.mosei.extract_audio import read_wave
from facetory.data.mosei.extract_video import frames_of
from facetory.data.mosei.segments import read_segments
from facetory.data.mosei.spec import AlignmentSpec, CorpusSpec
from facetory.data.mosei.splits import SPLITS as FOLDS
from facetory.data.mosei.splits import split, standard_fold
from facetory.data.mosei.stage import align_corpus, index_corpus
from facetory.data.recordio import records
from facetory.data.stage import make_index
from facetory.data.verification_bin import SHA256, read_bin
from facetory.faces.template import points
from facetory.metrics.folds import accuracy, kfold, squared_distances
from facetory.pipeline.config import DatasetSpec
from facetory.pipeline.files import FacetoryError, sha256_of
from facetory.recognition.templates import media_sizes
from facetory.rehearsal import bank as banks
from facetory.rehearsal.bank import USUAL, Face, bank
from facetory.rehearsal.casting import varied
from facetory.rehearsal.datasets import FABRICATORS, LAYOUTS, fabricate_datasets
from facetory.rehearsal.recordio import packed, write_records
from facetory.rehearsal.turned import turned
from indexing import ledger, manifest
from PIL import Image

PX = 64
PEOPLE = ("ada", "bea", "cleo", "dora")
SIZES = {"train": 14, "validation": 9, "test": 8}
VERIFICATION = tuple(SHA256)
TEMPLATE_BOX = (0.139, 0.859)
"""What of a face's height is to be seen on the five-point template."""


def face(person: str, label: str) -> Face:
    """A dark picture with a bright bar across it, whose height tells the label, its brightness the person."""
    image = np.full((PX, PX, 3), 60, np.uint8)
    top = 20 + 4 * BASIC.index(label)
    image[top : top + 4] = 90 + 30 * PEOPLE.index(person)
    return Face(image, label, person, np.array(USUAL) * PX)


def seen(image: np.ndarray, box: tuple[float, float] = (0, 1)) -> tuple[str, str]:
    """Label and person of a `face`, of which ``box`` (shares of the height) is to be seen."""
    rows = image[:, len(image[0]) // 4 : -len(image[0]) // 4].mean((1, 2))
    bar = rows > (rows.max() + np.median(rows)) / 2
    share = box[0] + (box[1] - box[0]) * (np.flatnonzero(bar).mean() + 0.5) / len(rows)
    ratio = rows.max() / np.median(rows)
    return BASIC[round((share * PX - 22) / 4)], PEOPLE[round((ratio - 1.5) / 0.5)]


FACES = [face(person, label) for person in PEOPLE for label in BASIC]


def sizes_of(dataset: str) -> dict[str, int]:
    splits = {"sfew": SIZES, "folder": SIZES, "cmu_mosei": {"train": 7}}
    return splits.get(dataset) or {name: SIZES[name] for name in catalogue.entry(dataset).counts}


def indexed(dataset: str, root: Path) -> tuple[list, Path]:
    folder = root / "index" / dataset
    make_index(DatasetSpec(name=dataset), root, folder)
    return read_index(folder / "index.csv"), folder


def written(name: str, root: Path) -> tuple[str, Path]:
    """The dataset of a fabricator or layout, and the root that it was written below."""
    dataset, fabricate = LAYOUTS.get(name, (name, FABRICATORS.get(name)))
    fabricate(root, FACES, sizes_of(dataset))
    assert catalogue.missing(dataset, root) is None
    return dataset, root


EXPRESSIONS = (
    *("rafdb_basic", "rafdb_compound", "sfew", "affectnet", "fer2013", "folder_with_splits"),
    *("rafdb_basic_aligned", "rafdb_compound_aligned", "affectnet_npy"),
)
VOTED = ("fer2013plus", "fer2013plus_argmax")
PORTRAITS = ("celebahq", "celebahq_256", "ffhq", "ffhq_flat")
PEOPLE_SETS = ("casia_webface", "lfw_people", "lfw_people_deepfunneled", "lfw_people_funneled")
OTHERS = ("folder_without_splits", *VERIFICATION, "ijbc", "cmu_mosei", "cmu_mosei_flat")


def test_every_dataset_and_layout_is_tried_here():
    tried = {*EXPRESSIONS, *VOTED, *PORTRAITS, *PEOPLE_SETS, *OTHERS}
    assert tried == {*FABRICATORS, *LAYOUTS}
    placed = {name for name, entry in catalogue.entries().items() if entry.access != "embedded"}
    assert placed == {*FABRICATORS, *(layout.dataset for layout in LAYOUTS.values())}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expressions_come_through(tmp_path, name):
    dataset, root = written(name, tmp_path)
    samples, folder = indexed(dataset, root)
    classes = COMPOUND if "compound" in dataset else BASIC
    splits = {"train", "validation"} if dataset == "sfew" else set(sizes_of(dataset))
    assert Counter(sample.split for sample in samples) == {part: SIZES[part] for part in splits}
    counts = manifest(folder)["counts"]
    for part in splits:
        numbers = [counts[part][label] for label in classes]
        assert max(numbers) - min(numbers) <= 2 and sum(numbers) == SIZES[part]
        assert {number % 2 for number in numbers} <= ({0} if SIZES[part] % 2 == 0 else {0, 1}), "two by two"
    box = BOX[1::2] if dataset == "fer2013" else (0, 1)
    for sample in samples:
        label, _ = seen(read_image(folder / sample.image), box)
        assert label in BLENDS.get(sample.label, (sample.label,)), sample.image
    assert not any("same file" in row["problem"] for row in ledger(folder))


def test_splits_share_nobody(tmp_path):
    samples, _ = indexed(*written("rafdb_basic", tmp_path))
    people = {
        part: {seen(read_image(s.image))[1] for s in samples if s.split == part} for part in ("train", "test")
    }
    assert people == {"train": {"ada", "cleo"}, "test": {"bea", "dora"}}


def test_what_else_the_sets_hold_is_told(tmp_path):
    problems = {row["problem"] for row in ledger(indexed(*written("affectnet", tmp_path / "a"))[1])}
    assert {
        "train: 1 faces are labelled 'contempt'",
        "validation: 1 faces are labelled 'no face'",
    } <= problems
    problems = {row["problem"] for row in ledger(indexed(*written("sfew", tmp_path / "b"))[1])}
    assert "the labels of the test faces are withheld" in problems
    assert manifest(indexed(*written("affectnet_npy", tmp_path / "c"))[1])["layout"] == "npy"
    assert manifest(indexed(*written("rafdb_basic_aligned", tmp_path / "d"))[1])["images"] == "aligned"
    assert manifest(indexed(*written("rafdb_compound", tmp_path / "e"))[1])["images"] == "original"


@pytest.mark.parametrize("name", VOTED)
def test_votes_become_labels(tmp_path, name):
    dataset = LAYOUTS[name].dataset if name in LAYOUTS else name
    FABRICATORS["fer2013"](tmp_path, FACES, {"train": 52, "validation": 7, "test": 21})
    samples, folder = indexed(dataset, tmp_path)
    contested = 0 if name == "fer2013plus_argmax" else 1
    expected = {"train": 51 - 2 * contested, "validation": 7, "test": 21 - contested}
    assert Counter(sample.split for sample in samples) == expected
    for sample in samples:
        assert seen(read_image(folder / sample.image), BOX[1::2])[0] == sample.label
    assert "train: 1 rows name no image" in {row["problem"] for row in ledger(folder)}


@pytest.mark.parametrize("name", PORTRAITS)
def test_portraits_come_through(tmp_path, name):
    dataset, root = written(name, tmp_path)
    samples, folder = indexed(dataset, root)
    sizes = sizes_of(dataset)
    assert len(samples) == sum(sizes.values()) == len({sha256_of(folder / s.image) for s in samples})
    if name != "celebahq_256":
        assert Counter(sample.split for sample in samples) == sizes
    px = {"celebahq": 1024, "celebahq_256": 256}.get(name, 128)
    assert read_image(samples[0].image).shape == (px, px, 3)
    if name == "celebahq":
        test = [attributes_of(sample.caption) for sample in samples if sample.split == "test"]
        assert len({tuple(about.values()) for about in test}) == 8
        assert manifest(folder)["splits"] == "CelebA's partition"


@pytest.mark.parametrize("name", PEOPLE_SETS)
def test_people_come_through(tmp_path, name):
    dataset, root = written(name, tmp_path)
    samples, folder = indexed(dataset, root)
    assert len(samples) == sum(sizes_of(dataset).values())
    who = {sample.person: set() for sample in samples}
    for sample in samples:
        who[sample.person].add(seen(read_image(folder / sample.image))[1])
    assert len(who) == len(PEOPLE) and sorted(map(list, who.values())) == [[person] for person in PEOPLE]
    if dataset == "casia_webface":
        assert manifest(folder)["people_told"] == 4
        assert next(records(root / "faces_webface_112x112" / RECORDS)).number == 0
    else:
        images = {
            "lfw_people": "lfw",
            "lfw_people_deepfunneled": "lfw-deepfunneled",
            "lfw_people_funneled": "lfw_funneled",
        }
        assert manifest(folder)["images"] == images[name]


@pytest.mark.parametrize(
    ("images", "each"), [(1, [1]), (2, [1, 1]), (3, [2, 1]), (5, [3, 2]), (7, [3, 2, 2])]
)
def test_few_images_are_of_few_people(tmp_path, images, each):
    FABRICATORS["casia_webface"](tmp_path, FACES, {"train": images})
    samples, folder = indexed("casia_webface", tmp_path)
    assert list(Counter(sample.person for sample in samples).values()) == each
    assert manifest(folder)["people_told"] == len(each)


def test_records_are_cut_at_magic_numbers(tmp_path):
    magic = struct.pack("<I", 0xCED7230A)
    contents = [b"", magic, b"x" + magic + b"yz", b"abcd" + magic + magic + b"e", packed((1, 2.5), 3, magic)]
    write_records(tmp_path / "x.rec", dict(enumerate(contents)))
    assert [record.content for record in records(tmp_path / "x.rec")] == contents


@pytest.mark.parametrize("name", VERIFICATION)
def test_pairs_come_through(tmp_path, name):
    FABRICATORS[name](tmp_path, FACES, {"test": 20})
    path = tmp_path / "faces_emore" / f"{name}.bin"
    pairs = read_bin(path, sha256=sha256_of(path))
    assert len(pairs.images) == len(np.unique(pairs.face)) == 40 and pairs.same.sum() == 10
    people = [seen(image.transpose(1, 2, 0), TEMPLATE_BOX)[1] for image in pairs.images]
    assert [one == other for one, other in zip(people[::2], people[1::2], strict=True)] == pairs.same.tolist()
    plain, same = pickle.loads(path.read_bytes(), encoding="bytes")  # noqa: S301
    assert same == pairs.same.tolist() and Image.open(io.BytesIO(plain[0])).format == "JPEG"
    features = np.eye(4, dtype=np.float32)[[PEOPLE.index(person) for person in people]]
    judged = accuracy(squared_distances(features), pairs.same, kfold(20, 10))
    assert judged.estimate.value == 1


@pytest.mark.parametrize("pairs", [1, 2, 3])
def test_few_pairs_are_read_and_judged(tmp_path, pairs):
    FABRICATORS["lfw"](tmp_path, FACES, {"test": pairs})
    path = tmp_path / "faces_emore" / "lfw.bin"
    same = read_bin(path, sha256=sha256_of(path)).same
    found = accuracy(np.linspace(0.1, 3, pairs), same, kfold(pairs, 10)).estimate
    assert len(same) == pairs and 0 <= found.low <= found.value <= found.high <= 1


def test_templates_come_through(tmp_path):
    _, root = written("ijbc", tmp_path)
    protocol = read_protocol(root / "ijbc")
    assert len(protocol.names) == 3 * SIZES["test"] and len(protocol.same) == 8 * 7 // 2
    assert 0 < protocol.same.sum() < len(protocol.same)
    assert sorted(media_sizes(protocol.template, protocol.media)[:3]) == [1, 2, 2]
    people = [set() for _ in range(8)]
    for name, template, marks in zip(protocol.names, protocol.template, protocol.points, strict=True):
        image = read_image(root / "ijbc" / "loose_crop" / name)
        people[template].add(seen(image)[1])
        assert marks[0, 0] < marks[1, 0] and marks[3, 0] < marks[4, 0] and marks.max() < PX
    assert all(len(names) == 1 for names in people)
    same = [people[a] == people[b] for a, b in zip(protocol.first, protocol.second, strict=True)]
    assert same == protocol.same.tolist()


@pytest.mark.parametrize("name", ["cmu_mosei", "cmu_mosei_flat"])
def test_the_corpus_comes_through(tmp_path, name):
    dataset, root = written(name, tmp_path / "data")
    corpus = CorpusSpec(dataset=dataset)
    index_corpus(corpus, tmp_path / "corpus", root)
    record = manifest(tmp_path / "corpus")
    assert record["videos"]["labels"] == 7 and not record["synthetic"]
    words = tmp_path / "corpus" / record["files"]["words"]["path"]
    assert (words.parent.name == "language") == (name == "cmu_mosei")
    align_corpus(
        AlignmentSpec(corpus=corpus), tmp_path / "corpus" / "manifest.json", {}, tmp_path / "aligned"
    )
    segments = read_segments(tmp_path / "aligned" / "segments.safetensors")
    folds = split("standard", segments.videos, np.zeros(len(segments), int))
    assert all(len(folds[part]) for part in FOLDS) and set(map(standard_fold, segments.videos)) >= set(FOLDS)
    source = root / "mosei"
    with open_csd(words, 1, STRINGS) as spoken:
        assert len(spoken.videos) == 7
    for video in segments.videos:
        length = len(read_wave(source / "WAV_16000" / f"{video}.wav")) / 16000
        frames = frames_of(source / "frames" / video)
        assert [second for second, _ in frames] == list(range(len(frames))) and len(frames) >= length
        assert length >= max(
            segments.intervals[i, 1] for i, other in enumerate(segments.videos) if other == video
        )
        assert len({seen(read_image(path))[1] for _, path in frames}) == 1


def test_a_folder_without_splits_is_split(tmp_path):
    samples, _ = indexed(*written("folder_without_splits", tmp_path))
    assert Counter(sample.split for sample in samples) == {"train": 24, "test": 7}


def contents(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): sha256_of(path) for path in root.rglob("*") if path.is_file()}


def test_equal_faces_and_sizes_give_equal_bytes(tmp_path):
    sizes = {name: sizes_of(name) for name in FABRICATORS} | {"cmu_mosei": {"train": 2}}
    sizes["celebahq"] = {"train": 1}
    fabricate_datasets(tmp_path / "a", FACES, sizes)
    first = contents(tmp_path / "a")
    fabricate_datasets(tmp_path / "a", FACES, dict(reversed(sizes.items())))
    assert contents(tmp_path / "a") == first
    fabricate_datasets(tmp_path / "b", FACES, sizes)
    assert contents(tmp_path / "b") == first
    assert all(catalogue.missing(name, tmp_path / "a") is None for name in FABRICATORS)
    assert not any(".aside" in name for name in first)


@pytest.mark.parametrize(
    ("sizes", "faces", "problem"),
    [
        ({"rafdb": {"train": 1}}, FACES, "unknown dataset 'rafdb'.*Did you mean 'rafdb_"),
        ({"ffhq": {"test": 1}}, FACES, "ffhq: sizes: unknown split 'test'"),
        ({"ffhq": {"train": 0}}, FACES, "ffhq: sizes .* ask for nothing"),
        ({"fer2013": {"train": 1}, "fer2013plus": {"train": 2}}, FACES, "are one table"),
        ({"rafdb_basic": {"train": 7}}, FACES[:1], "no face of the bank shows fear"),
        ({"ffhq": {"train": 7}}, [], "The bank of faces is empty"),
        ({"lfw": {"test": 1}}, FACES[:7], "lfw: pairs of two people need two"),
        ({"ijbc": {"test": 3}}, FACES, "need 4 templates and two people"),
    ],
)
def test_what_cannot_be_fabricated_is_told(tmp_path, sizes, faces, problem):
    with pytest.raises(FacetoryError, match=problem):
        fabricate_datasets(tmp_path, faces, sizes)
    assert not contents(tmp_path)


def test_a_face_is_turned_to_the_template_mirrored_or_not():
    image = np.full((PX, PX, 3), 40, np.uint8)
    marks = np.array([[20, 30], [41, 29], [29, 41], [22, 50], [39, 49]])
    for k, (x, y) in enumerate(marks):
        image[y - 1 : y + 2, x - 1 : x + 2] = 120 + 20 * k
    plain = Face(image, "neutral", "ada", marks.astype(float))
    uses = [varied(plain, "test", number) for number in range(8)]
    assert len({use.image.tobytes() for use in uses}) == 8
    assert {tuple(use.points[2]) for use in uses} == {(29, 41), (PX - 1 - 29, 41)}
    for use in uses:
        upright = turned(use, 112)
        assert all(upright[round(y), round(x)].mean() > 80 for x, y in points(112))


def test_the_bank_is_rendered_once(tmp_path, monkeypatch):
    photograph = Path(__file__).with_name("rendered_people.jpg")
    calls = []

    def render(dataset, sizes, folder, processes, pixels):
        calls.append((dataset, sizes, processes, pixels))
        person = Image.open(photograph).crop((0, 0, 64, 64)).resize((pixels, pixels))
        folder.mkdir(exist_ok=True)
        rows = ["sample_id,split,label,person,image"]
        for name, picture in (("a", person), ("b", Image.new("RGB", (pixels, pixels)))):
            picture.save(folder / f"{name}.png")
            rows.append(f"{name},train,neutral,{name},{name}.png")
        (folder / "index.csv").write_text("\n".join(rows) + "\n")

    monkeypatch.setattr(banks, "render", render)
    found, nobody = bank(tmp_path / "bank", 2, 3)
    assert calls == [("anny_basic", {"people": {"train": 2}, "images": 1}, 3, 256)]
    assert (found.label, found.person, found.image.shape) == ("neutral", "a", (256, 256, 3))
    assert not np.allclose(found.points, nobody.points)
    assert np.allclose(nobody.points, np.array(USUAL) * 256)
    assert found.points[0, 0] < found.points[1, 0] and found.points[0, 1] < found.points[3, 1]
