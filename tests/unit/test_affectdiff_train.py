"""Training a recognizer: resume, determinism, the prior's reach, masks, and what a run leaves behind."""

import json

import numpy as np
import pytest
import torch
from facetory.affectdiff import objective
from facetory.affectdiff.batches import load
from facetory.affectdiff.networks import build, load_recognizer
from facetory.affectdiff.spec import BaselineSpec, ModelSpec, RecognizerSpec
from facetory.affectdiff.task import Recognition
from facetory.affectdiff.train import train_recognizer
from facetory.data.mosei.segments import write_segments
from facetory.data.mosei.spec import AlignmentSpec, CorpusSpec
from facetory.pipeline.files import FacetoryError, read_json, sha256_of, write_tensors
from mosei_segments import DIMS, segments
from safetensors.torch import load_file

ALIGNMENT = AlignmentSpec(corpus=CorpusSpec(dataset="drawn"))
SMALL = {"dims": DIMS, "length": 6, "hidden": 16, "layers": 1, "heads": 2, "latent": 8, "prior_width": 8}


def spec(model=None, **changes):
    settings = {"epochs": 4, "batch_size": 16, "lr": 3e-3, "curriculum": "none", "checkpoint_every": 3}
    network = ModelSpec(**(SMALL | (model or {})))
    return RecognizerSpec(
        **({"dataset": "drawn", "model": network, "alignment": ALIGNMENT} | settings | changes)
    )


def baseline(network="tfn", **changes):
    return spec(**changes).model_copy(update={"model": BaselineSpec(network=network, dims=DIMS, length=6)})


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("segments") / "segments.safetensors"
    write_segments(path, segments(90))
    return path


def run(asked, path, folder):
    torch.set_num_threads(1)
    train_recognizer(asked, path, folder / "run", folder / "checkpoints", asked.device)
    return read_json(folder / "run" / "manifest.json")


def weights(folder):
    return load_file(folder / "run" / "weights.safetensors")


def lines(folder):
    return [json.loads(line) for line in (folder / "run" / "progress.jsonl").read_text().splitlines()]


def outside_prior(folder):
    return {name: w for name, w in weights(folder).items() if not name.startswith("prior.")}


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def test_a_run_leaves_weights_log_and_manifest(path, tmp_path):
    about = run(spec(), path, tmp_path)
    assert about["status"] == "trained" and about["stage"] == "affectdiff train"
    assert about["outputs"] == {"weights.safetensors": sha256_of(tmp_path / "run" / "weights.safetensors")}
    sizes = about["data"]["sizes"]
    assert sizes == {"train": 62, "validation": 14, "test": 14}
    assert about["training"]["steps_per_epoch"] == 4 and about["training"]["steps"] == 16
    assert about["training"]["best_step"] % 4 == 0
    assert about["data"]["corpus"]["title"] == "drawn"
    counts = about["data"]["class_counts"]["test"]
    assert about["data"]["majority_share"] == max(counts) / 14
    logged = lines(tmp_path)
    assert len(logged) == 8
    expected = {"task", "kl", "beta", "gamma_kl", "causal", "diffusion", "gamma_diffusion"}
    assert expected <= logged[0].keys() and all(np.isfinite(v) for v in logged[0].values())
    numbers = logged[1]["validation"]
    assert {
        "balanced_accuracy",
        "accuracy",
        "loss",
        "h",
        "weight_text",
        "edge_ta",
        "edge_vt",
    } <= numbers.keys()
    assert sum(numbers[f"weight_{m}"] for m in ("text", "audio", "video")) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("masks", [False, True])
def test_the_decoder_is_to_restore_what_augmentation_took(path, masks, monkeypatch):
    asked = spec({"decoder": True, "masks": masks}, lambda_reconstruction=0.5, frame_mask=0.5)
    corpus = load(path, asked)
    seen = []

    def wanted(decoded, *targets):
        seen.append(targets)
        return decoded[0].mean()

    monkeypatch.setattr(objective.losses, "reconstruction_loss", wanted)
    Recognition(asked, corpus, build(asked)).loss(np.arange(8), 0)
    (streams, mask), batch = seen[0], corpus.batch(corpus.parts["train"][:8])
    assert all(torch.equal(a, b) for a, b in zip(streams, batch.streams, strict=True))
    assert torch.equal(mask, batch.mask) if masks else mask is None


def test_what_is_separable_is_learnt(path, tmp_path):
    about = run(spec({"dropout": 0.0}, epochs=25, labels="rule"), path, tmp_path)
    share = max(about["data"]["class_counts"]["validation"]) / about["data"]["sizes"]["validation"]
    assert about["training"]["best"] > 0.5
    assert max(line["validation"]["accuracy"] for line in lines(tmp_path)[1::2]) > share


@pytest.mark.parametrize(
    "model", [{}, {"graph": "gumbel", "masks": True, "decoder": True}, {"vae": False, "prior_width": 0}]
)
def test_killed_and_resumed_equals_undisturbed(model, path, tmp_path, monkeypatch):
    asked = spec(model, lambda_reconstruction=0.1)
    whole = run(asked, path, tmp_path / "whole")
    loss = Recognition.loss

    def killed(task, positions, step):
        if step == 10:
            raise KeyboardInterrupt
        return loss(task, positions, step)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Recognition, "loss", killed)
        run(asked, path, tmp_path / "killed")
    again = run(asked, path, tmp_path / "killed")
    assert again["training"]["resumed_from"] == 9
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "killed"))
    assert again["log_digest"] == whole["log_digest"]


def test_a_seed_decides_the_run(path, tmp_path):
    first, second, other = (
        run(spec(seed=seed), path, tmp_path / name) for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert first["log_digest"] == second["log_digest"] != other["log_digest"]
    assert first["outputs"] == second["outputs"] != other["outputs"]


@pytest.mark.parametrize("network", ["tfn", "mult", "misa", "mmim", "tetfn"])
def test_baselines_are_trained_by_the_same_task(network, path, tmp_path):
    about = run(baseline(network, epochs=2), path, tmp_path)
    assert about["status"] == "trained"
    parameters = about["parameters"]
    assert parameters["total"] == parameters["trainable"] == parameters["without_prior"]
    module, asked, _ = load_recognizer(tmp_path / "run")
    assert asked == baseline(network, epochs=2) and not module.training


def test_the_prior_cannot_reach_a_classifier_that_is_apart(path, tmp_path):
    """Bit for bit the same classifier, selected at the same epoch, with and without a prior."""
    apart = {"clip_apart": True, "streams_apart": True, "clip": 0.05}
    chosen = [
        run(spec({"prior_width": width}, **apart), path, tmp_path / name)["training"]["best_step"]
        for name, width in (("with", 8), ("without", 0))
    ]
    assert chosen[0] == chosen[1]
    assert same(outside_prior(tmp_path / "without"), outside_prior(tmp_path / "with"))
    assert len(weights(tmp_path / "with")) > len(weights(tmp_path / "without"))
    lost = [line["task"] for line in lines(tmp_path / "with")[::2]]
    assert lost == [line["task"] for line in lines(tmp_path / "without")[::2]]


@pytest.mark.parametrize(
    "coupled",
    [
        {"clip_apart": False, "streams_apart": True},
        {"clip_apart": True, "streams_apart": False},
        {"clip_apart": True, "streams_apart": True, "stop_gradient": False},
    ],
)
def test_each_coupling_alone_changes_the_classifier(coupled, path, tmp_path):
    for name, width in (("with", 8), ("without", 0)):
        run(spec({"prior_width": width}, clip=0.05, epochs=2, **coupled), path, tmp_path / name)
    assert not same(outside_prior(tmp_path / "without"), outside_prior(tmp_path / "with"))


def test_models_with_and_without_a_part_start_from_equal_weights():
    whole = build(spec({"decoder": True, "modality_gate": True})).state_dict()
    assert same(build(spec({"prior_width": 0})).state_dict(), whole)
    other = build(spec(seed=1)).state_dict()
    assert not torch.equal(other["posterior.mean.weight"], whole["posterior.mean.weight"])


def test_building_leaves_torchs_generator_as_it_was():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    build(spec())
    assert torch.equal(torch.rand(1), expected)


def task(path, **changes):
    asked = spec(**changes)
    return Recognition(asked, load(path, asked), build(asked))


def test_the_prior_is_not_run_while_its_weight_is_zero(path, monkeypatch):
    """And leaves every gradient as if it were: none."""
    early = task(path, curriculum="paper", streams_apart=True)
    loss, numbers = early.loss(np.arange(16), 0)
    assert numbers["diffusion"] == 0 and numbers["gamma_diffusion"] == 0
    loss.backward()
    assert all(p.grad is None or not p.grad.any() for p in early.prior.parameters())
    numbers = early.loss(np.arange(16), early.steps_per_epoch)[1]
    assert numbers["gamma_diffusion"] == 1 / 20 and 0.3 < numbers["diffusion"] < 3


def test_without_stop_gradient_the_diffusion_reaches_the_encoder(path, monkeypatch):
    for stop, reached in ((True, False), (False, True)):
        asked = task(path, stop_gradient=stop, streams_apart=True)
        encoded = asked.model.encode(*asked.corpus.batch(np.arange(8))[:2])
        normal, uniform = (asked._draw(kind, 0, 0) for kind in (torch_normal, torch_uniform))
        term = objective.diffusion_term(
            asked.model, asked.spec, encoded, torch.zeros(8, dtype=torch.long), normal, uniform
        )
        term.backward()
        assert (asked.model.posterior.mean.weight.grad is not None) == reached


def torch_normal(seed, purpose, step, shape, device, first):
    return torch.randn(shape)


def torch_uniform(seed, purpose, step, shape, device, first):
    return torch.rand(shape)


def test_oversampling_draws_classes_equally(path):
    asked = task(path, oversample=True)
    at = np.concatenate([asked.drawn(np.arange(63), step) for step in range(100)])
    classes = np.bincount(asked.corpus.labels[asked.training[at]], minlength=6)
    present = np.array(asked.corpus.class_counts["train"]) > 0
    assert present.sum() > 3
    np.testing.assert_allclose(classes[present] / len(at), 1 / present.sum(), atol=0.02)


def test_missing_is_not_zero(path):
    """Under masks what stands where nothing was measured has no effect; a measured zero has."""
    masked = task(path, model={"masks": True})
    streams, mask = masked.corpus.batch(masked.training[:16])[:2]
    mask[:, 1, 3:] = False
    changed = [stream.clone() for stream in streams]
    for m, stream in enumerate(changed):
        stream[~mask[:, m]] = 5.0
    masked.model.eval()
    with torch.no_grad():
        seen = [masked.model(s, mask) for s in (streams, changed)]
        zeroed = [stream * mask[:, m, :, None] for m, stream in enumerate(streams)]
        measured = masked.model(zeroed, torch.ones_like(mask))
        missing = masked.model(zeroed, mask)
    torch.testing.assert_close(seen[0], seen[1], atol=1e-5, rtol=1e-5)
    assert (measured - missing).abs().max() > 1e-3


def test_the_remedies_and_the_released_reading_train(path, tmp_path):
    remedies = {"adaptive_beta": True, "free_bits": 1.0, "oversample": True}
    released = {
        "curriculum": "code",
        "warmup_epochs": 1,
        "class_weights": "sqrt_inverse",
        "selection": "batches",
        "labels": "swapped",
        "lambda_sparsity": 0.1,
    }
    for name, changes in (("remedies", remedies), ("released", released)):
        about = run(spec(epochs=2, **changes), path, tmp_path / name)
        assert about["status"] == "trained"
        assert all(w.isfinite().all() for w in weights(tmp_path / name).values())
    assert 0 < lines(tmp_path / "remedies")[0]["beta"] < 0.1
    scores = lines(tmp_path / "released")[1]["validation"]
    assert "batch_balanced_accuracy" in scores
    best = max(line["validation"]["batch_balanced_accuracy"] for line in lines(tmp_path / "released")[1::2])
    assert read_json(tmp_path / "released" / "run" / "manifest.json")["training"]["best"] == best


def test_sentiment_is_a_task_too(path, tmp_path):
    asked = spec({"classes": 7}, task="sentiment7", epochs=1)
    assert run(asked, path, tmp_path)["data"]["majority"] in ("−3", "−2", "−1", "0", "+1", "+2", "+3")


def test_a_trained_recognizer_is_loaded_as_it_was(path, tmp_path):
    asked = spec()
    run(asked, path, tmp_path)
    module, found, normalisation = load_recognizer(tmp_path / "run")
    assert found == asked and not module.training
    corpus, again = load(path, asked), load(path, found, normalisation=normalisation)
    batch, other = corpus.batch(np.arange(9)), again.batch(np.arange(9))
    assert all(torch.equal(a, b) for a, b in zip(batch.streams, other.streams, strict=True))
    at = corpus.parts["validation"]
    with torch.no_grad():
        right = module(*corpus.batch(at)[:2]).argmax(1).numpy() == corpus.labels[at]
    recalls = [right[corpus.labels[at] == k].mean() for k in set(corpus.labels[at])]
    about = read_json(tmp_path / "run" / "manifest.json")
    assert np.mean(recalls) == pytest.approx(about["training"]["best"])


def test_weights_of_something_else_are_refused(tmp_path):
    write_tensors(tmp_path / "weights.safetensors", {"a": torch.zeros(1)})
    with pytest.raises(FacetoryError, match="no weights of a recognizer"):
        load_recognizer(tmp_path)


def test_a_run_that_diverges_leaves_its_reason_and_no_weights(path, tmp_path):
    run(spec(epochs=1), path, tmp_path)
    about = run(spec(lr=1e30), path, tmp_path)
    assert about["status"] == "failed" and "training diverged at step" in about["reason"]
    assert not (tmp_path / "run" / "weights.safetensors").exists()
