"""Scale `rehearsal`: the paper's with smaller counts, on a marked data root, and never mistaken for it."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from fabricated import cells_of
from facetory.cli.study import load_study
from facetory.data.catalogue import entries
from facetory.data.mosei.foundation import MATERIAL, foundations
from facetory.diffusion import backbone
from facetory.diffusion.catalogue import backbones
from facetory.pipeline import config
from facetory.pipeline.config import Scale, load_settings, scale_content
from facetory.pipeline.fabricated import FABRICATED, MARKER, expected_sha256
from facetory.pipeline.files import FacetoryError, sha256_of, write_json
from facetory.recognition.judges_catalogue import FEATURES, IDENTITY, checked
from facetory.rehearsal import fabricate as stage
from facetory.report.cells import judge
from facetory.report.notes import opening
from facetory.training import checkpoints
from training_task import Regression
from training_task import train as train_task

PLACED = ["checkpoints/facial_emotions_image_detection.safetensors", "checkpoints/idiff_face_ffhq_cpd25.ckpt"]
PLACED += [f"checkpoints/{name}_rafdb.pth" for name in ("apvit", "poster", "posterpp")]


@pytest.fixture(scope="module")
def data_root(tmp_path_factory):
    """A marked data root in which everything that the paper's scale reads has a file of its name."""
    root = tmp_path_factory.mktemp("rehearsal")
    names = list(PLACED)
    for dataset in entries().values():
        names += [f"{dataset.place}/{item.split('|')[0].strip()}" for item in dataset.layout if dataset.place]
    names += [f"mosei/{choices[0]}" for choices in MATERIAL.values()]
    names += [f"weights/{own.file}" for own in (*FEATURES.values(), *IDENTITY.values()) if own.source]
    for model in foundations().values():
        names += [f"weights/{model.folder}/{file.split('|')[0].strip()}" for file in model.files]
    for spec in backbones().values():
        names += [f"weights/{spec.name}/{part}/config.json" for part in spec.parts]
    for name in names:
        if not name.endswith("/."):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text("{}")
    write_json(root / MARKER, {"about": FABRICATED, "whole": {}, "sha256": {"weights/x": "0"}})
    return root


@pytest.fixture(scope="module")
def study(data_root):
    return load_study({"scale": "rehearsal", "data_root": str(data_root)})


def test_every_cell_of_every_paper_can_run_but_for_the_sweep(study):
    assert len(study.plans) == len(load_study({"scale": "ci"}).plans)
    assert set(Counter(study.missing.values())) == {"scale rehearsal does not sweep over this timestep"}


def test_nothing_of_it_is_called_the_papers(study):
    assert all(plan.rehearsal for plan in study.plans.values())
    measured = [cell for plan in study.plans.values() for cell in plan.cells if cell.dataset]
    assert measured and all(cell.stand_in for cell in measured)


def test_networks_and_pixels_are_the_papers(study):
    paper = Scale.model_validate(scale_content("paper"))
    assert study.settings.scale.faces == paper.faces
    assert {run.px for run in study.runs.values()} == {256}
    assert {run.backbone for run in study.runs.values()} == {"sd21-base"}
    assert {run.architecture for run in study.diffusions.values()} == {"smc"}
    assert {run.size for run in study.classifiers.values()} == {"paper"}
    assert {run.network for run in study.face_recognizers.values()} == {"iresnet50"}
    models = [run.model for run in study.recognizers.values()]
    of_paper = load_study({"scale": "paper", "allow_cpu": True, "data_root": "nowhere"})
    assert {model.canonical() for model in models} >= {
        run.model.canonical() for run in of_paper.recognizers.values()
    }


def test_one_generator_is_taken_over_and_one_is_trained(study):
    taken = {run.dataset: run.weights for run in study.generators.values()}
    assert taken == {"ffhq": "checkpoints/idiff_face_ffhq_cpd25.ckpt", "casia_webface": None}


def test_precisions_are_the_papers_or_the_next_that_a_cpu_has(study):
    assert {run.precision for run in study.runs.values()} == {"bf16"}
    assert {run.precision for run in study.diffusions.values()} == {"bf16"}, "fp16 needs a GPU"


def test_a_rehearsal_needs_a_marked_root_and_other_scales_refuse_one(tmp_path, data_root):
    with pytest.raises(FacetoryError, match="holds none that are whole"):
        load_settings({"scale": "rehearsal", "data_root": str(tmp_path)})
    for scale in ("paper", "demo"):
        with pytest.raises(FacetoryError, match="which only a rehearsal reads"):
            load_settings({"scale": scale, "data_root": str(data_root)})


def test_a_root_that_was_left_half_filled_is_refused(tmp_path):
    write_json(tmp_path / MARKER, {"about": FABRICATED, "whole": {}, "sha256": {}})
    with pytest.raises(FacetoryError, match="make rehearsal"):
        load_settings({"scale": "rehearsal", "data_root": str(tmp_path)})


def test_a_fabricated_files_hash_is_the_markers_and_a_changed_one_is_refused(tmp_path):
    released = IDENTITY["facenet"]
    file = tmp_path / "weights" / released.file
    file.parent.mkdir()
    file.write_bytes(b"random")
    with pytest.raises(FacetoryError, match="truncated or another file"):
        checked(released, tmp_path)
    hashes = {f"weights/{released.file}": sha256_of(file)}
    write_json(tmp_path / MARKER, {"about": FABRICATED, "whole": {}, "sha256": hashes})
    assert checked(released, tmp_path) == file
    file.write_bytes(b"changed")
    with pytest.raises(FacetoryError, match="truncated or another file"):
        checked(released, tmp_path)


def test_a_backbones_pins_give_way_to_the_marker_alone(tmp_path):
    (tmp_path / "vae").mkdir()
    file = tmp_path / "vae" / "w.safetensors"
    file.write_bytes(b"random")
    with pytest.raises(FacetoryError, match="expected 1234"):
        backbone.check_hashes(tmp_path, {"vae/w.safetensors": "1234"})
    marked = {"vae/w.safetensors": sha256_of(file)}
    write_json(tmp_path / MARKER, {"about": FABRICATED, "whole": {}, "sha256": marked})
    backbone.check_hashes(tmp_path, {"vae/w.safetensors": "1234"})
    assert expected_sha256(tmp_path / "vae" / "unlisted", "1234") == "1234"


def test_a_rehearsals_cell_is_never_comparable():
    for published, ours in ((90.0, False), (None, False), (None, True)):
        verdict = judge(90.0, published, (89.0, 91.0), rehearsal=True, ours=ours)
        assert verdict.status == "not_comparable"
        assert verdict.reason == f"rehearsal: {FABRICATED}"
        assert verdict.delta is None
    assert judge(None, 90.0, rehearsal=True, not_run="no face").status == "not_run"
    assert judge(None, None, rehearsal=True, kind="quoted").status == "quoted"


def test_tables_and_figures_open_with_it():
    table = cells_of(["row"], ["column"]).model_copy(update={"rehearsal": True})
    assert "no number here means anything" in opening(table)


def test_figures_bear_it_across(tmp_path):
    from facetory.report import drawing
    from facetory.report.figures import write_figure

    table = cells_of(["row"], ["column"])
    drawn = []

    def draw():
        drawn.append(drawing.sheet(3, 2, "foot"))
        return drawn[-1], [{"x": 1}]

    for rehearsal in (False, True):
        write_figure(table.model_copy(update={"rehearsal": rehearsal}), draw, tmp_path)
        assert ("rehearsal" in [text.get_text() for text in drawn[-1].texts]) is rehearsal


def write_scales(folder: Path, **contents: str) -> None:
    (folder / "scales").mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / "scales" / f"{name}.yaml").write_text(content)


def test_a_scale_extends_another_key_by_key(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "WORKFLOW", tmp_path)
    write_scales(
        tmp_path,
        base="title: base\nslots: {a: x, b: y}\nsmc: {images: {ablation: 10, shown: 4}, seeds: [1, 2]}\n",
        middle="extends: base\nsmc: {images: {ablation: 1}}\n",
        own="extends: middle\ntitle: own\nsmc: {seeds: [3]}\nslots: {b: null}\n",
    )
    assert scale_content("own") == {
        "extends": "middle",
        "title": "own",
        "slots": {"a": "x"},
        "smc": {"images": {"ablation": 1, "shown": 4}, "seeds": [3]},
    }


def test_a_scale_that_extends_none_that_there_is_says_which_there_are(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "WORKFLOW", tmp_path)
    write_scales(tmp_path, paper="title: p\n", own="extends: papr\n", itself="extends: itself\n")
    with pytest.raises(FacetoryError, match="paper"):
        scale_content("own")
    with pytest.raises(FacetoryError, match="itself"):
        scale_content("itself")


@pytest.fixture
def small_stage(monkeypatch):
    """The fabrication of one dataset and one network that are a file each."""
    done = []

    def datasets(root, faces, sizes):
        done.append("datasets")
        for name, own in sizes.items():
            (root / name).mkdir()
            (root / name / "images").write_text(json.dumps(own))

    def weights(root, names):
        done.extend(names)
        (root / "weights").mkdir(exist_ok=True)
        (root / "weights" / "net.pth").write_bytes(b"net")

    monkeypatch.setattr(stage, "bank", lambda folder, people, processes: [])
    monkeypatch.setattr(stage, "fabricate_datasets", datasets)
    monkeypatch.setattr(stage, "fabricate_weights", weights)
    monkeypatch.setattr(stage, "WEIGHTS", {"net": None})
    return done


def test_what_is_whole_is_kept_and_the_rest_made_again(small_stage, tmp_path):
    root = tmp_path / "root"
    assert stage.fabricate(root, {"sfew": {"train": 2}})
    assert not stage.fabricate(root, {"sfew": {"train": 2}})
    assert small_stage == ["datasets", "net"]
    assert stage.fabricate(root, {"affectnet": {"train": 2}}), "other sizes"
    assert small_stage == ["datasets", "net", "datasets"], "the weights stay"
    assert not (root / "sfew").exists() and (root / "weights" / "net.pth").exists()
    hashes = json.loads((root / MARKER).read_text())["sha256"]
    assert set(hashes) == {"affectnet/images", "weights/net.pth"}


def test_a_half_done_root_is_done_again(small_stage, tmp_path, monkeypatch):
    def broken(root, names):
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(stage, "fabricate_weights", broken)
        with pytest.raises(RuntimeError):
            stage.fabricate(tmp_path, {"sfew": {"train": 2}})
    assert json.loads((tmp_path / MARKER).read_text())["sha256"] == {}
    assert stage.fabricate(tmp_path, {"sfew": {"train": 2}})


def test_somebodys_own_files_are_never_touched(small_stage, tmp_path):
    (tmp_path / "rafdb").mkdir()
    with pytest.raises(FacetoryError, match="no rehearsal wrote"):
        stage.fabricate(tmp_path, {"sfew": {"train": 2}})
    assert (tmp_path / "rafdb").is_dir() and not small_stage


def test_an_interrupted_training_stops_once_and_ends_with_the_same_weights(tmp_path, monkeypatch):
    from facetory.training.loop import Schedule

    def trained(name):
        task, schedule = Regression(), Schedule(steps=4, batch_size=8, checkpoint_every=2)
        train_task(task, schedule, tmp_path / name, tmp_path / name / "checkpoints", key="k", device="cpu")
        return [weight.detach().clone() for weight in task.network.parameters()]

    undisturbed = trained("undisturbed")
    monkeypatch.setenv(checkpoints.INTERRUPT, "1")
    with pytest.raises(checkpoints.Interrupted) as stop:
        trained("stopped")
    assert stop.value.status == os.EX_TEMPFAIL
    resumed = trained("stopped")
    assert all(bool((a == b).all()) for a, b in zip(undisturbed, resumed, strict=True))


def test_a_command_that_asks_to_be_started_again_is(tmp_path):
    script = tmp_path / "command.py"
    script.write_text(
        "import os, sys\nfrom pathlib import Path\nfrom facetory.cli import warm\n"
        "def run():\n    first = Path(sys.argv[1])\n    if not first.exists():\n        first.touch()\n"
        "        sys.exit(os.EX_TEMPFAIL)\n    print('went on', sys.argv[2])\n"
        "warm._run = run\nwarm.entry()\n"
    )
    alone = {name: value for name, value in os.environ.items() if name != "FACETORY_WARM"}
    line = [sys.executable, str(script), str(tmp_path / "first"), "with its arguments"]
    result = subprocess.run(line, capture_output=True, text=True, env=alone, check=True)
    assert result.stdout == "went on with its arguments\n"
