from dataclasses import replace

import affect_street as street
import numpy as np
import pytest
import torch
from facetory.affectdiff.batches import Batch, load
from facetory.affectdiff.corruptions import corrupted, masked_frames
from facetory.affectdiff.latency import time_recognizers
from facetory.affectdiff.networks import load_recognizer
from facetory.affectdiff.records import Records, read_records, write_records
from facetory.affectdiff.score import RECORDS, log_probabilities, score_recognizer
from facetory.affectdiff.spec import CONDITIONS, EMOTIONS, LatencySpec, ScoreSpec
from facetory.pipeline.files import FacetoryError, read_json, write_json

IDS = ["a[0]", "a[1]", "b[0]", "c[0]"]
DIMS = (5, 4, 3)
NOISES, MASKS = CONDITIONS[4:7], CONDITIONS[7:]


def some_batch(length=20, seed=0):
    """Four segments of 20, 12, 7 and 1 time steps; the third has no audio."""
    random = torch.Generator().manual_seed(seed)
    mask = (torch.arange(length) < torch.tensor([20, 12, 7, 1])[:, None])[:, None].repeat(1, 3, 1)
    mask[2, 1] = False
    streams = tuple(
        torch.randn(4, length, d, generator=random) * mask[:, m, :, None] for m, d in enumerate(DIMS)
    )
    return Batch(streams, mask, torch.zeros(4, dtype=torch.int64), torch.arange(4))


def part(batch, at):
    streams = tuple(stream[at] for stream in batch.streams)
    return Batch(streams, batch.mask[at], batch.labels[at], batch.positions[at])


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("released", [False, True])
def test_a_segment_is_corrupted_alike_in_every_batch_and_again(condition, released):
    batch = some_batch()
    whole = corrupted(batch, condition, IDS, 3, released)
    for i in range(4):
        alone = corrupted(part(batch, [i]), condition, IDS[i : i + 1], 3, released)
        assert torch.equal(alone.mask[0], whole.mask[i])
        assert all(torch.equal(a[0], w[i]) for a, w in zip(alone.streams, whole.streams, strict=True))


def test_clean_is_the_batch_and_others_are_not():
    batch = some_batch()
    assert corrupted(batch, "clean", IDS) is batch
    for condition in CONDITIONS[1:]:
        found = corrupted(batch, condition, IDS)
        assert any(not torch.equal(a, b) for a, b in zip(found.streams, batch.streams, strict=True))
        assert torch.equal(found.labels, batch.labels)


@pytest.mark.parametrize(("at", "modality"), enumerate(("text", "audio", "video")))
def test_a_missing_modality_is_zero_and_not_measured_and_the_others_are_as_they_were(at, modality):
    batch = some_batch()
    found = corrupted(batch, f"missing_{modality}", IDS)
    assert not found.streams[at].any() and not found.mask[:, at].any()
    for m in {0, 1, 2} - {at}:
        assert torch.equal(found.streams[m], batch.streams[m])
        assert torch.equal(found.mask[:, m], batch.mask[:, m])


@pytest.mark.parametrize("condition", NOISES)
def test_noise_has_its_size_on_what_was_measured_and_padding_stays_zero(condition):
    batch, ids = some_batch(200), [f"v[{i}]" for i in range(4)]
    batch = batch._replace(mask=batch.mask.clone())
    found = corrupted(batch, condition, ids)
    added = torch.cat([(a - b)[0].flatten() for a, b in zip(found.streams, batch.streams, strict=True)])
    measured = added[added != 0]
    assert len(measured) == 20 * sum(DIMS)
    assert measured.std().item() == pytest.approx(float(condition[6:]), rel=0.15)
    assert torch.equal(found.mask, batch.mask)
    assert not found.streams[0][1, 12:].any() and not found.streams[1][2].any()


def test_noise_levels_differ_by_their_size_alone_and_the_released_code_noises_padding():
    batch = some_batch()
    low, high = (corrupted(batch, c, IDS).streams[0] - batch.streams[0] for c in ("noise_0.1", "noise_2.0"))
    torch.testing.assert_close(20 * low, high, atol=1e-5, rtol=1e-4)
    assert (corrupted(batch, "noise_0.5", IDS, released=True).streams[1][2] != 0).all()


@pytest.mark.parametrize("condition", MASKS)
def test_frames_are_masked_among_those_measured_in_all_streams(condition):
    batch, share = some_batch(), float(condition[11:])
    found = corrupted(batch, condition, IDS)
    gone = (batch.mask.any(1) & ~found.mask.any(1)).sum(1)
    assert gone.tolist() == [max(1, int(share * n)) for n in (20, 12, 7, 1)]
    for m, stream in enumerate(found.streams):
        assert torch.equal(stream, batch.streams[m] * found.mask[:, m, :, None])


def test_a_larger_share_holds_a_smaller_one_and_segments_and_seeds_differ():
    measured = np.ones((50, 50), bool)
    ids = [f"v[{i}]" for i in range(50)]
    tenth, quarter, half = (masked_frames(measured, share, ids, 0) for share in (0.1, 0.25, 0.5))
    assert (tenth <= quarter).all() and (quarter <= half).all() and half.sum(1).tolist() == [25] * 50
    assert len({row.tobytes() for row in half}) == 50
    assert (half != masked_frames(measured, 0.5, ids, 1)).any()
    np.testing.assert_allclose(half.mean(0), 0.5, atol=0.25)


def test_the_released_code_masks_one_set_of_all_positions():
    measured = np.zeros((4, 50), bool)
    measured[:, :3] = True
    masked = masked_frames(measured, 0.25, IDS, 0, released=True)
    assert (masked == masked[0]).all() and masked[0].sum() == 12


def test_an_unknown_condition_names_its_neighbour():
    with pytest.raises(FacetoryError, match="Did you mean 'missing_video'"):
        corrupted(some_batch(), "missing_vidio", IDS)


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A recognizer with masks, its segments, and its scores."""
    root = tmp_path_factory.mktemp("scores")
    path, spec = street.written(root), street.affect_diff(masks=True)
    folder = street.recognizer(root / "recognizer", spec, path)
    score = ScoreSpec(train=spec, batch_size=4)
    score_recognizer(score, folder, path, root / "score")
    return root, path, spec, folder


def test_records_hold_every_segment_of_both_splits_under_every_condition(scored):
    root, path, spec, _ = scored
    records, corpus = read_records(root / "score" / RECORDS), load(path, spec)
    assert records.conditions == list(CONDITIONS) and records.classes == list(EMOTIONS)
    for name, part in (("validation", records.validation_segments), ("test", records.test_segments)):
        assert part == [corpus.segment_ids[i] for i in corpus.parts[name]]
    assert records.test.shape == (10, len(records.test_segments), 6)
    np.testing.assert_allclose(np.exp(records.test).sum(2), 1, rtol=1e-5)
    assert all((records.test[0] != under).any() for under in records.test[1:])
    assert records.test_labels.tolist() == corpus.labels[corpus.parts["test"]].tolist()
    about = read_json(root / "score" / "manifest.json")
    assert about["status"] == "scored" and about["segments"]["test"] == len(records.test_segments)


def test_log_probabilities_do_not_depend_on_the_size_of_a_batch(scored):
    _, path, spec, folder = scored
    model, _, normalisation = load_recognizer(folder)
    corpus = load(path, spec, normalisation=normalisation)
    test = corpus.parts["test"]
    for condition in ("clean", "noise_0.5", "frame_mask_0.25"):
        by_one, at_once = (
            log_probabilities(model, corpus, test, ScoreSpec(train=spec, batch_size=size), condition)
            for size in (1, 64)
        )
        np.testing.assert_allclose(by_one, at_once, atol=2e-5)


def test_no_true_label_is_used(scored):
    """With the segments' emotions shuffled inside each split, not one log-probability moves."""
    _, path, spec, folder = scored
    model, _, normalisation = load_recognizer(folder)
    corpus = load(path, spec, normalisation=normalisation)
    other = replace(corpus, labels=np.roll(corpus.labels, 7))
    assert (other.labels != corpus.labels).any()
    for condition in ("clean", "missing_text", "noise_2.0"):
        found = [
            log_probabilities(model, each, corpus.parts["test"], ScoreSpec(train=spec), condition)
            for each in (corpus, other)
        ]
        assert np.array_equal(*found)


def test_a_missing_modality_is_absent_to_a_masked_model_and_zero_to_another(scored, tmp_path):
    """A model with masks answers as if the stream had never been, whatever is in it."""
    _, path, spec, folder = scored
    model, _, normalisation = load_recognizer(folder)
    batch = load(path, spec, normalisation=normalisation).batch(np.arange(12))
    absent = corrupted(batch, "missing_video", [str(i) for i in range(12)])
    text, audio, video = batch.streams
    with torch.inference_mode():
        told = model(absent.streams, absent.mask)
        torch.testing.assert_close(told, model((text, audio, video + 5), absent.mask))
        plain, _, _ = load_recognizer(
            street.recognizer(tmp_path / "plain", street.affect_diff(masks=False), path)
        )
        assert torch.equal(plain(absent.streams, absent.mask), plain((text, audio, 0 * video), batch.mask))


def test_a_segment_of_which_nothing_is_left_still_gets_a_finite_answer(scored):
    _, path, spec, folder = scored
    model, _, normalisation = load_recognizer(folder)
    corpus = load(path, spec, normalisation=normalisation)
    batch = corpus.batch(np.arange(3))
    nothing = batch._replace(
        streams=tuple(0 * stream for stream in batch.streams), mask=torch.zeros_like(batch.mask)
    )
    with torch.inference_mode():
        assert torch.isfinite(model(nothing.streams, nothing.mask)).all()


def test_a_recognizer_that_failed_is_not_scored_and_old_records_go(scored, tmp_path):
    _, path, spec, _ = scored
    write_json(tmp_path / "failed" / "manifest.json", {"status": "failed", "reason": "loss is not finite"})
    (tmp_path / "score").mkdir()
    (tmp_path / "score" / RECORDS).write_text("old")
    score_recognizer(ScoreSpec(train=spec), tmp_path / "failed", path, tmp_path / "score")
    about = read_json(tmp_path / "score" / "manifest.json")
    assert about["status"] == "not_run" and "loss is not finite" in about["reason"]
    assert [path.name for path in (tmp_path / "score").iterdir()] == ["manifest.json"]


def some_records(**changed):
    log_probs = np.log(np.full((3, 2), 0.5, np.float32))
    ids, videos = ["a[0]", "a[1]", "b[0]"], ["a", "a", "b"]
    about = {"conditions": ["clean"], "classes": ["Negative", "Positive"], "task": "sentiment2"}
    labels = np.array([0, 1, 1])
    return replace(
        Records(
            log_probs, log_probs[None], labels, labels, np.zeros(3, "f4"), ids, videos, ids, videos, **about
        ),
        **changed,
    )


def test_records_survive_the_disk(tmp_path):
    write_records(tmp_path / "r.safetensors", some_records())
    back = read_records(tmp_path / "r.safetensors")
    for name, value in vars(some_records()).items():
        assert np.array_equal(getattr(back, name), value)
    assert np.array_equal(back.under("clean"), back.validation)
    with pytest.raises(FacetoryError, match=r"no test log-probabilities under 'noise_0\.1'"):
        back.under("noise_0.1")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"validation": np.full((3, 2), np.nan, "f4")}, "validation split are not finite.*a\\[0\\]"),
        ({"test": np.zeros((2, 3, 2), "f4")}, "test has the shape"),
        ({"test_labels": np.array([0, 1, 2])}, "outside the 2 classes"),
        ({"validation_labels": np.array([0, -1, 0])}, "outside the 2 classes"),
        ({"test_videos": ["a"]}, "test_videos has the shape"),
    ],
)
def test_records_that_cannot_be_are_refused(tmp_path, changed, message):
    with pytest.raises(FacetoryError, match=message):
        write_records(tmp_path / "r.safetensors", some_records(**changed))
    assert not (tmp_path / "r.safetensors").exists()


def test_another_stages_file_is_refused(scored):
    with pytest.raises(FacetoryError, match="not a recognizer's score records"):
        read_records(scored[1])


def test_latencies_of_every_model_and_batch_size(scored, tmp_path):
    _, path, spec, folder = scored
    other, failed = street.baseline("tfn"), street.baseline("tfn", lr=9.0)
    write_json(tmp_path / "failed" / "manifest.json", {"status": "failed", "reason": "diverged"})
    folders = {
        spec.id: folder,
        other.id: street.recognizer(tmp_path / "tfn", other, path),
        failed.id: tmp_path / "failed",
    }
    asked = LatencySpec(models=(spec, other, failed), batch_sizes=(1, 16), repeats=3)
    time_recognizers(asked, folders, tmp_path / "latency")
    about = read_json(tmp_path / "latency" / "manifest.json")
    assert about["failed"] == {failed.id: "diverged"} and about["threads"] == 1 and about["device_name"]
    assert about["latencies"].keys() == {spec.id, other.id} == about["parameters"].keys()
    for by_size in about["latencies"].values():
        assert by_size.keys() == {"1", "16"}
        for found in by_size.values():
            low, high = found["quartiles_ms"]
            assert 0 < found["least_ms"] <= low <= found["median_ms"] <= high and found["repeats"] == 3
    assert about["latencies"][spec.id]["1"]["median_ms"] > about["latencies"][other.id]["1"]["median_ms"]


def test_a_model_without_a_folder_is_named(tmp_path):
    spec = street.affect_diff()
    with pytest.raises(FacetoryError, match=spec.id):
        time_recognizers(LatencySpec(models=(spec,)), {}, tmp_path)
