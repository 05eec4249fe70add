"""What a plan costs: jobs by following the specs, rows by hand, operations as torch counts them."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from facetory.adaptdiff import work as adaptdiff
from facetory.adaptdiff.spec import (
    ContextSpec,
    GeneratorSpec,
    Guidance,
    IdentitiesSpec,
    IdentitySampler,
    SynthesisSpec,
)
from facetory.cli import estimate
from facetory.cli.jobs import ORDER, jobs_of
from facetory.cli.main import app
from facetory.cli.needed import needed
from facetory.cli.options import configured
from facetory.cli.plan import planned
from facetory.cli.sizes import KnownSizes
from facetory.cli.study import load_study
from facetory.cli.walk import RULES
from facetory.emodc import work as emodc
from facetory.emodc.spec import EmoDCEvalSpec, EmoDCTrainSpec
from facetory.faces.spec import FaceSetSpec
from facetory.pipeline.files import FacetoryError, write_json
from facetory.pipeline.work import SizeUnknown, added, bounded
from facetory.recognition import work as recognition
from facetory.recognition.face_spec import BenchmarkSpec, VerificationSpec
from facetory.recognition.spec import ClassifierSpec
from facetory.smc import work as smc
from facetory.smc.sampler_spec import Sampler
from facetory.smc.spec import EditSpec, SMCTrainSpec
from typer.testing import CliRunner

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


class Sizes:
    """Hundred images of seven classes everywhere."""

    def samples(self, dataset, split):
        return 100

    def classes(self, dataset):
        return 7

    def faces(self, folder):
        return 50

    def segments(self, alignment):
        return {"train": 70, "validation": 15, "test": 15}


@pytest.fixture(scope="module")
def paper():
    return load_study({"scale": "paper"}, ideal=True)


@pytest.fixture(scope="module")
def demo():
    return load_study({"scale": "demo"}, ideal=True)


def emodc_run(**own):
    return EmoDCTrainSpec(dataset="faces", backbone="demo", px=64, steps=10, batch_size=4, **own)


@pytest.mark.parametrize(
    ("loss", "rows"),
    [
        ({"loss": "base"}, 40),
        ({"loss": "fmdit"}, 80),
        ({"loss": "amdit"}, 80),
        ({"loss": "amdit", "non_negative_prompt": "null"}, 120),
    ],
)
def test_a_training_of_emodc_passes_each_sample_under_each_prompt(loss, rows):
    assert emodc.training(emodc_run(**loss), Sizes()) == {("unet/demo/64", "training"): rows}


def test_an_evaluation_passes_every_sample_timestep_and_class():
    spec = EmoDCEvalSpec(backbone="demo", dataset="faces", split="test", px=64, timesteps=(1, 2, 3))
    assert emodc.evaluation(spec, Sizes()) == {("unet/demo/64", "forward"): 100 * 3 * 7}
    some = spec.model_copy(update={"images_per_class": 2, "corruptions": ("clean", "blur2")})
    assert emodc.evaluation(some, Sizes()) == {("unet/demo/64", "forward"): 14 * 2 * 3 * 7}
    more = spec.model_copy(update={"extra_prompts": True})
    assert emodc.evaluation(more, Sizes()) == {("unet/demo/64", "forward"): 100 * 3 * 9}


def edited(cost=float, **own):
    train = SMCTrainSpec(dataset="faces", backbone="vae", px=64, steps=1, architecture="smc")
    guide = ClassifierSpec(dataset="faces", network="cnn", px=64, steps=1)
    sampler = Sampler(particles=4, inference_steps=10, noise_strength=1.0, **own)
    spec = EditSpec(
        train=train, guide=guide, dataset="faces", split="test", images=3, target="happy", sampler=sampler
    )
    return smc.edit(spec, Sizes(), lambda name: cost(1))


UNET, DECODE, GUIDE = "unconditional/smc/vae/64", "decode/vae/64", "classifier/cnn/paper/faces/64"


def test_an_edit_scores_every_particle_after_every_step():
    work = edited()
    assert work[UNET, "forward"] == 3 * 4 * 10
    assert work[GUIDE, "forward"] == 3 * 4 * 10
    assert work[DECODE, "forward"] == 3 * 4 * 10 + 2 * 3
    assert edited(resample_interval=5)[GUIDE, "forward"] == 3 * 4 * 2


def test_the_best_of_n_draws_what_costs_as_much():
    # 4 · 10 of the UNet at 1 and 4 · 10 scores at 2 are 120; an edit alone is 10 + 2
    work = edited(method="best_of_n")
    assert work[UNET, "forward"] == 3 * (120 // 12) * 10 and work[GUIDE, "forward"] == 3 * (120 // 12)


def test_a_gradient_goes_back_through_what_scores():
    work = edited(method="gradient")
    assert work[UNET, "forward"] == 3 * 10
    assert work[GUIDE, "training"] == work[DECODE, "training"] == 3 * 9


def synthesis(schedule):
    faces = FaceSetSpec(dataset="faces", split="train")
    generator = GeneratorSpec(
        dataset="faces", backbone="vq-f4", px=128, contexts=ContextSpec(faces=faces), architecture="a"
    )
    return SynthesisSpec(
        generator=generator,
        pool=IdentitiesSpec(count=20),
        identities=10,
        images=5,
        alignment="none",
        guidance=Guidance(schedule=schedule),
        sampler=IdentitySampler(steps=20),
    )


@pytest.mark.parametrize(("schedule", "passes"), [("none", 1), ("linear", 2)])
def test_guided_faces_pass_under_both_contexts(schedule, passes):
    work = adaptdiff.synthesis(synthesis(schedule), Sizes())
    assert work["identity_unet/a/vq-f4/128", "forward"] == passes * 50 * 20
    assert work["decode/vq-f4/128", "forward"] == 50


def test_authors_weights_are_not_trained():
    spec = ClassifierSpec(dataset="faces", network="cnn", px=64, steps=0, weights="a.pth")
    assert recognition.training(spec, Sizes()) == {}


def test_both_faces_of_a_pair_are_seen_with_their_mirror_images():
    bench = BenchmarkSpec(dataset="lfw", protocol="bin")
    work = recognition.verification(VerificationSpec(model="dlib", benchmark=bench), Sizes())
    assert work == {("embedder/dlib", "forward"): 2 * 2 * 100}


def test_works_add_up_and_samples_are_bounded():
    assert added({("a", "forward"): 1.0}, {("a", "forward"): 2.0, ("b", "training"): 3.0}) == {
        ("a", "forward"): 3.0,
        ("b", "training"): 3.0,
    }
    assert (bounded(100, None, 7), bounded(100, 2, 7), bounded(10, 2, 7)) == (100, 14, 10)


def test_everything_that_a_study_holds_is_a_job_of_all(demo):
    jobs = jobs_of(demo, "all")
    made = Counter(job.rule for job in jobs.values())
    for kind, rule in RULES.items():
        if kind not in ("scores", "benchmarks"):
            assert made[rule] == len(getattr(demo, kind)), kind
    assert made["make_table"] + made["make_figure"] == len(demo.plans) + sum(
        "_ablation_" in name for name in demo.plans
    )
    assert set(made) <= set(ORDER)


def test_a_table_asks_for_its_own_jobs_alone(demo):
    jobs = jobs_of(demo, "emodc_table2")
    rules = Counter(job.rule for job in jobs.values())
    assert rules["train_emodc"] == rules["evaluate_emodc"] == 3
    assert rules["make_table"] == 1 and rules["index_dataset"] == rules["align_faces"] == 1
    assert not any(rule.startswith("edit_") for rule in rules)
    for cell in demo.plans["emodc_table2"].cells:
        assert all(f"evaluations/{name}/manifest.json" in jobs for name in cell.evaluations)


def test_a_set_is_drawn_in_as_many_jobs_as_the_scale_says(paper):
    jobs = jobs_of(paper, "adaptdiff_table1")
    large = next(spec.id for spec in paper.syntheses.values() if spec.identities == 10_000)
    shards = [output for output in jobs if output.startswith(f"syntheses/{large}/shards/")]
    assert len(shards) == 100 and f"syntheses/{large}/shards/100of100/manifest.json" in shards


def test_an_unknown_target_is_told_with_its_neighbour(demo):
    with pytest.raises(FacetoryError, match="Did you mean 'all_tables'"):
        jobs_of(demo, "al_tables")


def test_everything_can_run_on_the_ideal_machine(paper):
    assert paper.settings.device == "cuda" and not paper.missing
    assert {run.device for run in paper.runs.values()} == {"cuda"}


def test_sizes_are_the_results_own_then_the_published_then_the_scales(paper, demo, tmp_path):
    assert KnownSizes(paper, tmp_path).samples("rafdb_basic", "test") == 3068
    write_json(tmp_path / "datasets" / "rafdb_basic" / "manifest.json", {"counts": {"test": {"fear": 4}}})
    assert KnownSizes(paper, tmp_path).samples("rafdb_basic", "test") == 4
    assert KnownSizes(demo, tmp_path).samples("anny_basic", "test") == 301
    assert KnownSizes(demo, tmp_path).samples("orl", "test") == 100
    with pytest.raises(SizeUnknown, match="cmu_mosei"):
        KnownSizes(paper, tmp_path).samples("cmu_mosei", "test")


def test_segments_are_those_of_table_1_or_all_that_are_annotated(paper, tmp_path):
    strict = next(spec for spec in paper.alignments.values() if spec.policy == "strict")
    masked = next(spec for spec in paper.alignments.values() if spec.policy == "masked")
    sizes = KnownSizes(paper, tmp_path)
    assert sizes.segments(strict.id) == {"train": 2304, "validation": 494, "test": 494}
    assert sum(sizes.segments(masked.id).values()) == pytest.approx(23453, abs=1)


def test_hours_are_operations_by_the_throughput_of_their_precision(demo, tmp_path):
    jobs = [job for job in jobs_of(demo, "emodc_table2").values() if job.rule == "train_emodc"]
    rate = estimate.Throughput(half=2.0, single=1.0, source="given")
    (stage,) = estimate.stages(jobs, demo, KnownSizes(demo, tmp_path), tmp_path, rate)
    row = estimate.counted()["unet/demo/64"]["training"]
    rows = 240 * 64 * (2 + 3 + 3)
    assert stage.operations == rows * row and stage.half == 0
    assert stage.seconds == stage.seconds_left == pytest.approx(rows * row / 1e12)
    path = tmp_path / jobs[0].output
    write_json(path, {"status": "trained", "duration_s": 2.0})
    (stage,) = estimate.stages(jobs, demo, KnownSizes(demo, tmp_path), tmp_path, rate)
    assert stage.done == 1 and stage.seconds_left < stage.seconds
    compared = estimate.compared(jobs, demo, KnownSizes(demo, tmp_path), tmp_path, rate)["train_emodc"]
    assert compared["jobs"] == 1 and compared["measured"] == 2.0
    assert compared["ratio"] == pytest.approx((stage.seconds - stage.seconds_left) / 2.0)


@pytest.mark.parametrize("scale", ["paper", "demo"])
def test_every_network_that_a_scale_names_is_counted(scale, tmp_path, request):
    study = request.getfixturevalue(scale)
    rate = estimate.Throughput(half=1.0, single=1.0, source="given")
    jobs = jobs_of(study, "all").values()
    for stage in estimate.stages(jobs, study, KnownSizes(study, tmp_path), tmp_path, rate):
        assert not any("not counted:" in reason for reason in stage.unknown), stage


def test_a_network_that_is_not_counted_is_told(demo, tmp_path, monkeypatch):
    monkeypatch.setattr(estimate, "counted", dict)
    jobs = [job for job in jobs_of(demo, "emodc_table2").values() if job.rule == "train_emodc"]
    rate = estimate.Throughput(half=1.0, single=1.0, source="given")
    (stage,) = estimate.stages(jobs, demo, KnownSizes(demo, tmp_path), tmp_path, rate)
    assert stage.unknown == ["unet/demo/64 is not counted: run benchmarks/flops.py --only unet/demo/64"]
    assert not stage.computes and stage.jobs == 3


@pytest.mark.parametrize(
    ("network", "giga"),
    [
        ("unet/sd21-base/256", 2 * 90.55),
        ("encode/sd21-base/256", 2 * 136),
        ("identity_unet/idiff_face/vq-f4/128", 13.8),
        ("decode/vq-f4/128", 161),
        ("unconditional/smc/sd-vae-ft-ema/256", 2 * 3.9),
        ("decode/sd-vae-ft-ema/256", 2 * 311),
        ("classifier/vit/paper/faces/224", 2 * 17.6),
    ],
)
def test_what_is_counted_is_known_from_elsewhere(network, giga):
    assert estimate.counted()[network]["forward"] / 1e9 == pytest.approx(giga, rel=0.01)


@pytest.fixture(scope="module")
def flops():
    sys.path.insert(0, str(BENCHMARKS))
    import flops

    yield flops
    sys.path.remove(str(BENCHMARKS))


def test_small_networks_are_counted_again_alike(flops):
    asked = flops.asked_for(("demo",))
    for start in ("unet/demo/64", "encode/demo/64", "classifier/cnn", "face/small", "recognizer/tfn_lite"):
        name = next(name for name in asked if name.startswith(start))
        assert flops.counted(name, asked[name])._asdict() == estimate.counted()[name]


def test_what_has_to_be_placed_is_told_once_with_its_licence(paper):
    found = {own.name: own for own in needed(jobs_of(paper, "all").values(), paper, estimate.counted())}
    assert found["rafdb_basic"].samples == 12271 + 3068 and "agreement" in found["rafdb_basic"].licence
    assert found["sd21-base"].bytes == pytest.approx(3.8e9, rel=0.02)
    assert {"cmu_mosei", "ijbc", "inception", "elasticface_arc"} <= found.keys()
    assert not any(name.startswith("anny") for name in found)


def test_a_plan_needs_no_torch():
    line = "import sys; from facetory.cli.plan import planned; planned('smc_fig7', {}, tflops=1.0)"
    ending = "; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", line + ending], timeout=120).returncode == 0


def test_the_plan_is_json(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    about = planned("emodc_table2", {"scale": "paper"}, gpus=4, tflops=200.0)
    json.dumps(about)
    assert about["jobs_done"] == 0 and about["jobs_that_can_run_here"] < about["jobs"]
    assert about["wall_hours_left"] == pytest.approx(about["hours"] / 4)
    assert about["hours"] == pytest.approx(about["operations"] / 200e12 / 3600)
    assert any("rafdb_basic not placed" in reason for reason in about["not_run_here"])


def test_the_command_says_what_it_estimates_from_and_what_is_not_placed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = ["plan", "emodc_table2", "--config", "scale=paper", "--tflops", "200"]
    found = CliRunner().invoke(app, line)
    assert found.exit_code == 0, found.output
    assert "An estimate from counted operations, at 200" in found.output and "as given" in found.output
    assert "Not placed: dataset rafdb_basic, 15,339 samples" in found.output
    assert "train_emodc: with every sample active" in found.output


def test_results_of_another_scale_are_refused(tmp_path):
    with pytest.raises(FacetoryError, match="--config scale=demo"):
        planned("emodc_table2", {"scale": "ci"}, tflops=1.0, measured=tmp_path / "demo")


def test_a_configuration_is_given_as_to_snakemake(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert configured(["scale=paper", "allow_cpu=true"]) == {"scale": "paper", "allow_cpu": True}
    Path("config.yaml").write_text("scale: ci\nreading: code\n")
    assert configured(["scale=paper"]) == {"scale": "paper", "reading": "code"}
    Path("other.yaml").write_text("scale: demo\n")
    assert configured(["other.yaml"]) == {"scale": "demo"}
