"""The training loop: batches, resuming after SIGKILL, divergence, and what it leaves behind."""

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from facetory.pipeline import randomness
from facetory.pipeline.files import FacetoryError
from facetory.training import checkpoints
from facetory.training.loop import Schedule, TrainingDiverged, train
from facetory.training.schedule import batch_positions, learning_rate_factor
from safetensors.torch import load_file
from training_task import KILLED, Regression, run

SHORT = Schedule(steps=12, batch_size=4, lr=1e-2, checkpoint_every=4, log_every=3, threads=1)


def lines(folder: Path) -> list[dict]:
    rows = [json.loads(line) for line in (folder / "run" / "progress.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def test_every_epoch_holds_every_sample_once():
    row = np.concatenate([batch_positions(step, 8, 37, seed=1) for step in range(37)])
    for epoch in range(8):
        assert sorted(row[epoch * 37 : (epoch + 1) * 37]) == list(range(37))
    assert not np.array_equal(row[:37], row[37:74])


def test_a_batch_larger_than_the_set_spans_epochs():
    assert len(batch_positions(3, 100, 7, seed=1)) == 100


def test_learning_rate_rises_and_falls():
    schedule = Schedule(steps=100, batch_size=1, warmup=10, decay="cosine")
    factors = [learning_rate_factor(schedule, step) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == factors[9] == pytest.approx(0.5 * (1 + np.cos(np.pi * 0.09)))
    assert factors[-1] < 0.001
    assert learning_rate_factor(Schedule(steps=100, batch_size=1), 99) == 1


def test_time_ends_the_cosine_early():
    schedule = Schedule(steps=1000, batch_size=1, decay="cosine", minutes=2)
    assert learning_rate_factor(schedule, 10, seconds=60) == pytest.approx(0.5)


def test_one_step_is_adamw_by_hand(tmp_path):
    """One optimiser step of the loop against AdamW's equations written out (clip far away, no noise in y)."""
    task, schedule = Regression(), Schedule(steps=1, batch_size=37, lr=1e-2, weight_decay=0.1, clip=1e9)
    task.network.eval()
    task.network.train = lambda mode=True: task.network
    before = {name: weight.detach().clone() for name, weight in task.network.named_parameters()}
    loss, _ = task.loss(batch_positions(0, 37, 37, 0), 0)
    gradients = dict(zip(before, torch.autograd.grad(loss, list(task.network.parameters())), strict=True))
    run(tmp_path, schedule, task)
    for name, weight in task.network.named_parameters():
        expected = before[name] * (1 - 1e-2 * 0.1) - 1e-2 * gradients[name] / (gradients[name].abs() + 1e-8)
        torch.testing.assert_close(weight.detach(), expected, rtol=1e-4, atol=1e-6)


def test_accumulation_changes_nothing_but_rounding(tmp_path):
    class Still(Regression):
        def __init__(self):
            super().__init__()
            self.network[2].p = 0.0

    whole = run(tmp_path / "whole", SHORT, Still())
    parts = run(tmp_path / "parts", Schedule(**{**SHORT.__dict__, "accumulation": 4}), Still())
    for one, other in zip(whole.network.parameters(), parts.network.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert len(parts.seen) == 4 * len(whole.seen)


def test_killed_at_random_steps_it_ends_bit_equal(tmp_path):
    """SIGKILL at two random moments, resumed each time: weights and progress equal those of a quiet run."""
    run(tmp_path / "quiet", KILLED)
    folder, script = tmp_path / "killed", str(Path(__file__).with_name("training_task.py"))
    chance = random.SystemRandom()
    moments = [chance.randrange(60, 130), chance.randrange(180, 290)]  # far apart: each has steps to resume
    print("killed near steps", moments)
    resumed = []
    for moment in [*moments, None]:
        errors = (tmp_path / f"stderr-{moment}").open("w+")
        process = subprocess.Popen([sys.executable, script, str(folder)], stderr=errors, env=os.environ)
        while moment is not None and process.poll() is None:
            if progressed(folder) >= moment:
                os.kill(process.pid, signal.SIGKILL)
                break
            time.sleep(0.002)
        assert process.wait(timeout=60) == (0 if moment is None else -signal.SIGKILL)
        errors.seek(0)
        resumed += [line for line in errors.read().splitlines() if "going on from step" in line]
    assert len(resumed) == 2
    quiet, killed = (load_file(tmp_path / which / "weights.safetensors") for which in ("quiet", "killed"))
    assert quiet.keys() == killed.keys()
    assert all(torch.equal(quiet[name], killed[name]) for name in quiet)
    assert lines(tmp_path / "quiet") == lines(folder)


def progressed(folder: Path) -> int:
    """The last logged step of a run that may be writing just now."""
    path = folder / "run" / "progress.jsonl"
    whole = path.read_text().rpartition("\n")[0].splitlines() if path.exists() else []
    return json.loads(whole[-1])["step"] if whole else 0


def test_a_truncated_checkpoint_falls_back_to_the_one_before(tmp_path, capsys):
    run(tmp_path / "whole", SHORT)
    run(tmp_path / "cut", SHORT)
    *_, before, newest = checkpoints.found(tmp_path / "cut" / "checkpoints")
    assert (before.name, newest.name) == ("step-00000008.safetensors", "step-00000012.safetensors")
    newest.write_bytes(newest.read_bytes()[:-100])
    task = run(tmp_path / "cut", SHORT)
    said = capsys.readouterr().err
    assert "step-00000012.safetensors: truncated" in said and "going on from step 8" in said
    assert [step for step, _ in task.seen] == [8, 9, 10, 11]
    one, other = (load_file(tmp_path / which / "weights.safetensors") for which in ("whole", "cut"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert lines(tmp_path / "whole") == lines(tmp_path / "cut")


def test_another_specs_checkpoint_is_refused(tmp_path):
    run(tmp_path, SHORT, key="one")
    with pytest.raises(FacetoryError, match="belongs to spec one, not to two"):
        run(tmp_path, SHORT, key="two")


def test_nan_stops_with_step_and_remedy(tmp_path):
    with pytest.raises(TrainingDiverged, match=r"at step 7: the loss is nan.*Lower the learning rate"):
        run(tmp_path, SHORT, Regression(spoil_at=7))
    assert not (tmp_path / "weights.safetensors").exists()
    assert checkpoints.newest(tmp_path / "checkpoints", "abc", print)[0] == 4


def test_a_run_away_loss_stops(tmp_path):
    schedule = Schedule(steps=200, batch_size=8, lr=0.0, log_every=10, divergence_factor=5)
    with pytest.raises(TrainingDiverged, match=r"\|loss\| runs at .* more than 5 times"):
        run(tmp_path, schedule, Regression(scale=1.2))


def test_a_diverging_run_leaves_its_curve_to_the_end(tmp_path):
    """The last line holds the steps since the one before, without the numbers that are not finite."""
    with pytest.raises(TrainingDiverged) as raised:
        run(tmp_path, SHORT, Regression(spoil_at=7))
    *_, before, last = lines(tmp_path)
    assert (before["step"], last["step"]) == (6, 8)
    assert last.keys() == {"step", "largest", "rows"} and raised.value.last == last
    with pytest.raises(TrainingDiverged):
        run(tmp_path, SHORT, Regression(spoil_at=7))
    assert [line["step"] for line in lines(tmp_path)] == [3, 6, 8]


def test_a_rise_within_the_first_steps_is_seen(tmp_path):
    """The level at the start is that of ten steps: of fifty, a fast divergence would be the greater part."""
    schedule = Schedule(steps=80, batch_size=8, lr=0.0, divergence_factor=5)

    class Fast(Regression):
        def loss(self, positions, step):
            loss, numbers = super().loss(positions, step)
            return loss * min(1 + step, 30), numbers

    with pytest.raises(TrainingDiverged, match="more than 5 times"):
        run(tmp_path, schedule, Fast())


def test_statistics_of_batch_normalisation_are_resumed(tmp_path):
    class Normalised(Regression):
        def __init__(self):
            super().__init__()
            self.network.insert(1, torch.nn.BatchNorm1d(32))

    whole = run(tmp_path, SHORT, Normalised())
    checkpoints.found(tmp_path / "checkpoints")[-1].unlink()
    resumed = run(tmp_path, SHORT, Normalised())
    assert [step for step, _ in resumed.seen] == [8, 9, 10, 11]
    first, second = whole.network.state_dict(), resumed.network.state_dict()
    assert first["1.num_batches_tracked"] == 12
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_loss_without_gradient_is_gradient_zero(tmp_path):
    """A hinge with no active sample: the weights decay and keep their momentum, nothing breaks."""

    class Inactive(Regression):
        def loss(self, positions, step):
            return torch.zeros(()), {}

    task = Inactive()
    before = [weight.detach().clone() for weight in task.network.parameters()]
    run(tmp_path, Schedule(steps=2, batch_size=4, lr=0.1, weight_decay=0.5), task)
    for weight, old in zip(task.network.parameters(), before, strict=True):
        torch.testing.assert_close(weight.detach(), old * 0.95**2)


def test_the_mean_of_the_weights_replaces_them(tmp_path):
    schedule = {**SHORT.__dict__, "ema": 0.9}
    plain, mean = run(tmp_path / "a", SHORT), run(tmp_path / "b", Schedule(**schedule))
    assert not torch.equal(plain.network[0].weight, mean.network[0].weight)


def test_tensorboard_is_written_on_demand(tmp_path):
    train(
        Regression(),
        SHORT,
        tmp_path / "run",
        tmp_path / "checkpoints",
        key="k",
        device="cpu",
        tensorboard=True,
    )
    assert list((tmp_path / "run" / "tensorboard").glob("events.*"))


def test_bad_accumulation_and_fp16_without_a_gpu_are_refused(tmp_path):
    with pytest.raises(FacetoryError, match="accumulation 3"):
        Schedule(steps=1, batch_size=8, accumulation=3)
    with pytest.raises(FacetoryError, match="needs a GPU"):
        run(tmp_path, Schedule(steps=1, batch_size=8, precision="fp16"))


def test_quiet_without_a_terminal(tmp_path, capsys):
    run(tmp_path, SHORT)
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and said[0].startswith("training: step 12/12  loss ")


def test_a_bar_on_a_terminal(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    run(tmp_path, SHORT)
    said = capsys.readouterr().err
    assert "12/12" in said and "loss" in said and "largest" in said


def test_a_finished_run_is_left_as_it_is(tmp_path):
    first = run(tmp_path, SHORT)
    second = run(tmp_path, SHORT)
    assert not second.seen
    assert torch.equal(first.network[0].weight, second.network[0].weight)


def test_minutes_end_it_with_a_checkpoint(tmp_path):
    schedule = Schedule(steps=100_000, batch_size=4, log_every=5, minutes=0.5 / 60, checkpoint_every=100_000)
    task = run(tmp_path, schedule)
    (left,) = checkpoints.found(tmp_path / "checkpoints")
    assert left.name == f"step-{len(task.seen):08d}.safetensors" and len(task.seen) < 100_000


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("precision", ["no", "bf16", "fp16"])
def test_it_trains_on_the_gpu(tmp_path, precision):
    class OnGpu(Regression):
        def __init__(self):
            super().__init__()
            self.network.cuda()
            self.x, self.y, self.keys = self.x.cuda(), self.y.cuda(), self.keys.cuda()

    schedule = Schedule(steps=200, batch_size=16, lr=1e-2, precision=precision, checkpoint_every=100)
    task = OnGpu()
    before = task.validate(0)["error"]
    train(task, schedule, tmp_path / "run", tmp_path / "checkpoints", key="k")
    assert task.validate(0)["error"] < 0.5 * before


class Rising(Regression):
    """A regression whose validation rises to its third number and falls from there."""

    scores = (0.1, 0.5, 0.9, 0.4, 0.3, 0.2, 0.1, 0.0)

    def __init__(self):
        super().__init__()
        self.at = {}

    def validate(self, step):
        self.at[step] = self.network[0].weight.detach().clone()
        return {"score": self.scores[step // 5 - 1]}


def selecting(**own):
    options = {"steps": 40, "batch_size": 8, "lr": 1e-2, "validate_every": 5, "select": "score", "threads": 1}
    return Schedule(**options | own)


def test_the_weights_of_the_best_validation_are_kept(tmp_path):
    task = Rising()
    outcome = train(task, selecting(), tmp_path, tmp_path / "c", key="k", device="cpu")
    assert (outcome["best_step"], outcome["best"], outcome["steps"]) == (15, 0.9, 40)
    assert torch.equal(task.network[0].weight, task.at[15])
    assert not torch.equal(task.at[15], task.at[40])


def test_patience_ends_training(tmp_path):
    task = Rising()
    outcome = train(task, selecting(patience=2), tmp_path, tmp_path / "c", key="k", device="cpu")
    assert (outcome["best_step"], outcome["steps"]) == (15, 25)


def test_a_selection_survives_a_kill(tmp_path):
    train(Rising(), selecting(), tmp_path / "a", tmp_path / "whole", key="k", device="cpu")
    for left in checkpoints.found(tmp_path / "whole"):
        left.unlink()
    killed = Rising()
    killed.spoil_at = 27
    schedule = selecting(patience=4, checkpoint_every=10)
    with pytest.raises(TrainingDiverged):
        train(killed, schedule, tmp_path / "b", tmp_path / "c", key="k", device="cpu")
    resumed, undisturbed = Rising(), Rising()
    outcome = train(resumed, schedule, tmp_path / "b", tmp_path / "c", key="k", device="cpu")
    train(undisturbed, schedule, tmp_path / "d", tmp_path / "e", key="k", device="cpu")
    assert (outcome["resumed_from"], outcome["best_step"], outcome["steps"]) == (20, 15, 35)
    assert torch.equal(resumed.network[0].weight, undisturbed.network[0].weight)


def test_an_unknown_number_cannot_be_selected(tmp_path):
    with pytest.raises(FacetoryError, match="no 'accuracy', only score"):
        train(Rising(), selecting(select="accuracy"), tmp_path, tmp_path / "c", key="k", device="cpu")


def test_only_the_named_weights_have_a_running_mean(tmp_path):
    plain, averaged = Regression(), Regression()
    train(
        plain, selecting(select="", validate_every=0), tmp_path / "a", tmp_path / "c", key="k", device="cpu"
    )
    schedule = selecting(select="", validate_every=0, ema=0.9, ema_of="network.3.")
    train(averaged, schedule, tmp_path / "b", tmp_path / "d", key="k", device="cpu")
    assert torch.equal(plain.network[0].weight, averaged.network[0].weight)
    assert not torch.equal(plain.network[3].weight, averaged.network[3].weight)


class Apart(Regression):
    """The last layer's gradients are a thousand times too large, clipped by themselves or with the rest."""

    def __init__(self, apart):
        super().__init__()
        self.apart = apart

    def parameter_groups(self):
        first, last = self.network[0], self.network[3]
        last.weight.register_hook(lambda gradient: 1000 * gradient)
        names = ("first", "last") if self.apart else ("", "")
        return [
            {"params": list(layer.parameters()), "clip_group": name}
            for layer, name in zip((first, last), names, strict=True)
        ]


def test_clip_groups_are_clipped_by_themselves(tmp_path):
    norms = {}
    for apart in (True, False):
        task = Apart(apart)
        seen = []
        real = torch.optim.AdamW.step

        def step(self, *args, seen=seen, task=task, real=real, **kwargs):
            seen.append([layer.weight.grad.norm().item() for layer in (task.network[0], task.network[3])])
            return real(self, *args, **kwargs)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch.optim.AdamW, "step", step)
            schedule = Schedule(steps=1, batch_size=8, clip=0.01, threads=1)
            train(task, schedule, tmp_path / f"{apart}", tmp_path / f"c{apart}", key="k", device="cpu")
        norms[apart] = seen[0]
    assert max(norms[True]) <= 0.01 + 1e-6
    assert norms[False][0] < 1e-3 * norms[True][0]


def test_one_step_is_sgd_with_momentum_by_hand(tmp_path):
    task, plain = Regression(), Regression()
    options = {"lr": 0.1, "weight_decay": 5e-4, "clip": 0.0, "batch_size": 37, "threads": 1}
    schedule = Schedule(steps=2, optimizer="sgd", momentum=0.9, **options)
    train(task, schedule, tmp_path, tmp_path / "c", key="k", device="cpu")
    weights, momentum = list(plain.network.parameters()), {}
    for step in range(2):
        torch.manual_seed(randomness.stream_key(0, "torch", step) >> 1)
        loss, _ = plain.loss(batch_positions(step, 37, 37, 0), step)
        for i, (weight, slope) in enumerate(zip(weights, torch.autograd.grad(loss, weights), strict=True)):
            slope = slope + 5e-4 * weight.detach()
            momentum[i] = slope if step == 0 else 0.9 * momentum[i] + slope
            weight.data -= 0.1 * momentum[i]
    torch.testing.assert_close(list(task.network.parameters()), weights)


def test_each_cosine_cycle_is_twice_the_one_before():
    schedule = Schedule(steps=70, batch_size=1, decay="cosine_restarts", restart=10)
    factors = [learning_rate_factor(schedule, step) for step in range(70)]
    assert [step for step in range(70) if factors[step] == 1] == [0, 10, 30]
    assert factors[5] == factors[20] == factors[50] == pytest.approx(0.5)
    assert factors[69] == pytest.approx(0.5 * (1 + math.cos(math.pi * 39 / 40)))


def test_milestones_fall_tenfold():
    schedule = Schedule(steps=30, batch_size=1, decay="milestones", milestones=(10, 20))
    assert [learning_rate_factor(schedule, step) for step in (9, 10, 20)] == pytest.approx([1, 0.1, 0.01])


def test_a_plateau_lowers_the_rate_and_survives_a_kill(tmp_path):
    schedule = selecting(decay="plateau", plateau_patience=1, checkpoint_every=10, log_every=5)
    killed = Rising()
    killed.spoil_at = 33
    with pytest.raises(TrainingDiverged):
        train(killed, schedule, tmp_path / "a", tmp_path / "c", key="k", device="cpu")
    train(Rising(), schedule, tmp_path / "a", tmp_path / "c", key="k", device="cpu")
    lines = [json.loads(line) for line in (tmp_path / "a" / "progress.jsonl").read_text().splitlines()]
    rates = [line["lr"] for line in lines if "lr" in line]
    # The score is best at step 15: two validations later the rate falls, and so on.
    assert rates == pytest.approx([1e-2] * 5 + [1e-3] * 2 + [1e-4])


def test_a_plateau_needs_a_number_to_look_at():
    with pytest.raises(FacetoryError, match="name it in `select`"):
        Schedule(steps=1, batch_size=1, decay="plateau")


def test_the_running_mean_follows_its_power_law(tmp_path):
    task, plain = Regression(), Regression()
    options = {"steps": 3, "batch_size": 8, "threads": 1}
    train(
        task, Schedule(**options, ema=0.9999, ema_power=0.75), tmp_path, tmp_path / "c", key="k", device="cpu"
    )
    mean = next(plain.network.parameters()).detach().clone()
    for steps in (1, 2, 3):
        own = Regression()
        schedule = Schedule(**options | {"steps": steps})
        train(own, schedule, tmp_path / f"{steps}", tmp_path / f"c{steps}", key="k", device="cpu")
        decay = 1 - steps**-0.75
        mean = decay * mean + (1 - decay) * next(own.network.parameters()).detach()
    torch.testing.assert_close(next(task.network.parameters()).detach(), mean)
