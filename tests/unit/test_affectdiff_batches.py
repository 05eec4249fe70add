"""Ragged segments become padded, normalised batches in which missing is told from zero."""

import numpy as np
import pytest
import torch
from facetory.affectdiff.augment import augmented
from facetory.affectdiff.batches import load
from facetory.affectdiff.spec import ModelSpec, RecognizerSpec
from facetory.data.mosei.segments import write_segments
from facetory.data.mosei.spec import MODALITIES, AlignmentSpec, CorpusSpec
from facetory.pipeline.files import FacetoryError
from mosei_segments import DIMS, segments

ALIGNMENT = AlignmentSpec(corpus=CorpusSpec(dataset="drawn"))


def spec(masks=False, **changes):
    model = ModelSpec(dims=DIMS, length=6, masks=masks)
    return RecognizerSpec(dataset="drawn", model=model, alignment=ALIGNMENT, **changes)


@pytest.fixture(scope="module")
def drawn():
    return segments(60)


@pytest.fixture(scope="module")
def path(drawn, tmp_path_factory):
    path = tmp_path_factory.mktemp("segments") / "segments.safetensors"
    write_segments(path, drawn)
    return path


def test_a_batch_holds_each_segments_rows_and_zeros_after_them(drawn, path):
    corpus = load(path, spec())
    batch = corpus.batch(np.array([7, 3, 3]))
    for m, modality in enumerate(MODALITIES):
        mean, std = corpus.normalisation[modality]
        for row, i in zip(batch.streams[m], (7, 3, 3), strict=True):
            own = slice(*drawn.offsets[modality][i : i + 2])
            rows = torch.from_numpy(drawn.streams[modality][own])[:6]
            expected = ((rows - mean) / std).nan_to_num(0, 0, 0).clamp(-10, 10)
            torch.testing.assert_close(row[: len(rows)], expected)
            assert not row[len(rows) :].any()
    lengths = np.minimum(np.diff(drawn.offsets["text"])[[7, 3, 3]], 6)
    assert batch.mask[:, 0].sum(1).tolist() == lengths.tolist()
    assert batch.labels.tolist() == corpus.labels[[7, 3, 3]].tolist()


def test_statistics_are_those_of_the_training_splits_measured_values(drawn, path):
    corpus = load(path, spec())
    for modality in MODALITIES:
        chosen = np.zeros(len(drawn), bool)
        chosen[corpus.parts["train"]] = True
        rows = drawn.streams[modality][np.repeat(chosen, np.diff(drawn.offsets[modality]))]
        rows = np.where(np.isfinite(rows), rows, np.nan).astype(np.float64)
        mean, std = corpus.normalisation[modality]
        np.testing.assert_allclose(mean, np.nanmean(rows, axis=0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(std, np.nanstd(rows, axis=0, ddof=1), rtol=1e-5)
        if modality == "audio":
            assert not np.isfinite(drawn.streams[modality]).all(), "the corpus has the traps"


def test_what_is_not_finite_or_far_out_is_bounded(path):
    corpus = load(path, spec())
    everything = corpus.batch(np.arange(60))
    for stream in everything.streams:
        assert stream.isfinite().all() and stream.abs().max() <= 10


def test_rows_that_were_not_measured_are_zero_and_masked(drawn, path):
    batch = load(path, spec()).batch(np.arange(60))
    missing = ~batch.mask[:, 2]
    assert not batch.streams[2][missing].any()
    first = drawn.offsets["video"][:-1]
    assert (batch.mask[:, 2, 0].numpy() == drawn.valid["video"][first]).all()
    assert not drawn.valid["video"].all()


def test_a_trained_models_own_normalisation_is_taken(path):
    own = {m: (torch.full((d,), 1.0), torch.full((d,), 2.0)) for m, d in zip(MODALITIES, DIMS, strict=True)}
    plain, other = load(path, spec()), load(path, spec(), normalisation=own)
    mean, std = plain.normalisation["text"]
    back = plain.batch(np.array([0])).streams[0][0, 0] * std + mean
    torch.testing.assert_close(other.batch(np.array([0])).streams[0][0, 0], (back - 1) / 2)


def test_features_of_other_sizes_are_refused(path):
    wrong = spec().model_copy(update={"model": ModelSpec(dims=(300, 74, 35), length=6)})
    with pytest.raises(FacetoryError, match=r"sizes \(5, 4, 3\).*takes \(300, 74, 35\)"):
        load(path, wrong)


def test_unlabelled_segments_are_in_no_part_and_counts_add_up(path):
    corpus = load(path, spec(labels="rule"))
    everywhere = np.concatenate(list(corpus.parts.values()))
    assert sorted(everywhere) == np.flatnonzero(corpus.labels >= 0).tolist()
    assert len(everywhere) < 60
    for part, at in corpus.parts.items():
        assert corpus.class_counts[part] == np.bincount(corpus.labels[at], minlength=6).tolist()


def draws(seed):
    generator = torch.Generator().manual_seed(seed)

    def uniform(purpose, *, shape):
        return torch.rand(shape, generator=generator)

    def normal(purpose, *, shape):
        return torch.randn(shape, generator=generator)

    return uniform, normal


def test_augmentation_zeroes_frames_and_modalities_at_their_rates():
    streams = tuple(torch.ones(4000, 6, d) for d in DIMS)
    mask = torch.ones(4000, 3, 6, dtype=torch.bool)
    asked = spec(frame_mask=0.25, modality_dropout=0.2, feature_noise=0.0)
    seen, unchanged = augmented(streams, mask, asked, *draws(0))
    assert torch.equal(unchanged, mask)
    for stream in seen:
        lost = (stream == 0).all(2)
        assert torch.equal(lost, (stream == 0).any(2)), "a frame is zeroed as a whole"
        assert lost.all(1).float().mean().item() == pytest.approx(0.2, abs=0.02)
        assert lost[~lost.all(1)].float().mean().item() == pytest.approx(0.25, abs=0.02)


def test_with_masks_what_is_zeroed_is_missing_and_something_is_left():
    streams = tuple(torch.ones(500, 6, d) for d in DIMS)
    mask = torch.ones(500, 3, 6, dtype=torch.bool)
    mask[:250, :, 1:] = False
    asked = spec(masks=True, frame_mask=0.5, modality_dropout=0.5, feature_noise=0.1)
    seen, left = augmented(streams, mask, asked, *draws(1))
    assert left.flatten(1).any(1).all() and left.sum() < 0.5 * mask.sum()
    assert not (left & ~mask).any()
    for m, stream in enumerate(seen):
        assert torch.equal(stream.abs().sum(2) > 0, left[:, m])


def test_noise_is_on_audio_and_video_alone():
    streams = tuple(torch.zeros(300, 6, d) for d in DIMS)
    mask = torch.ones(300, 3, 6, dtype=torch.bool)
    text, audio, video = augmented(
        streams, mask, spec(frame_mask=0.0, modality_dropout=0.0, feature_noise=0.5), *draws(2)
    )[0]
    assert not text.any()
    assert audio.std().item() == pytest.approx(0.5, rel=0.05) == video.std().item()
