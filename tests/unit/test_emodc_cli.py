import json

import pytest
import torch
from emodc_street import build, eval_spec, train_spec
from facetory.cli.emodc import app
from facetory.metrics.records import read_records
from facetory.pipeline.files import FacetoryError, open_tensors, read_metadata, write_json
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    torch.set_num_threads(1)
    return build(tmp_path_factory.mktemp("street"))


def run(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output


def test_train_then_evaluate_by_manifest(street, tmp_path):
    """As the rules call it: the backbone by its manifest, the spec as text or in a file."""
    manifest = tmp_path / "backbone.json"
    write_json(
        manifest, {"folder": str(street["backbone"]), "spec": {"name": "demo", "source": "x", "px": 64}}
    )
    inputs = ["--latents", street["latents"], "--text", street["text"], "--backbone", manifest]
    spec = train_spec(steps=2)
    places = ["--folder", tmp_path / "run", "--checkpoints", tmp_path / "checkpoints"]
    run("train", "--spec", spec.canonical(), *inputs, *places)
    (tmp_path / "spec.json").write_text(eval_spec(spec).canonical())
    places = ["--run", tmp_path / "run", "--folder", tmp_path / "evaluation", "--slot", "rafdb_basic"]
    run("evaluate", "--spec", tmp_path / "spec.json", *inputs, *places)
    assert read_records(tmp_path / "evaluation" / "clean.safetensors").slot == "rafdb_basic"


def test_a_spec_with_an_unknown_key_names_its_neighbour(street, tmp_path):
    spec = json.dumps(json.loads(train_spec().canonical()) | {"lamda_1": 0.1})
    places = ["--folder", tmp_path, "--checkpoints", tmp_path]
    inputs = ["--latents", street["latents"], "--text", street["text"], "--backbone", street["backbone"]]
    with pytest.raises(FacetoryError, match="Did you mean 'lambda_1'"):
        run("train", "--spec", spec, *inputs, *places)


def test_the_run_of_a_trained_model_must_be_given(street, tmp_path):
    inputs = ["--latents", street["latents"], "--text", street["text"], "--backbone", street["backbone"]]
    with pytest.raises(FacetoryError, match="zero-shot"):
        run("evaluate", "--spec", eval_spec(train_spec()).canonical(), *inputs, "--folder", tmp_path)


def test_several_corruptions_need_a_path_for_each(street, tmp_path):
    spec = eval_spec(corruptions=("clean", "noise30")).canonical()
    inputs = ["--latents", street["latents"], "--text", street["text"], "--backbone", street["backbone"]]
    with pytest.raises(FacetoryError, match=r"Write \{corruption\}"):
        run("evaluate", "--spec", spec, *inputs, "--folder", tmp_path)
    for name in ("clean", "noise30"):
        (tmp_path / name).mkdir()
        build(tmp_path / name, corruption=name)
    inputs[1] = tmp_path / "{corruption}" / "train.safetensors"
    run("evaluate", "--spec", spec, *inputs, "--folder", tmp_path / "evaluation")
    found = {path.name for path in (tmp_path / "evaluation").glob("*.safetensors")}
    assert found == {"clean.safetensors", "noise30.safetensors"}


def test_prompts_are_embedded_in_the_order_of_the_classes(tmp_path):
    write_json(
        tmp_path / "backbone.json",
        {"folder": "x", "spec": {"name": "demo", "source": "x", "px": 64} | {"text_encoder": "minilm"}},
    )
    write_json(tmp_path / "dataset.json", {"classes": ["anger", "fear"]})
    run(
        "prompts", "--backbone", tmp_path / "backbone.json", "--dataset", tmp_path / "dataset.json",
        "--output", tmp_path / "text.safetensors",
    )  # fmt: skip
    about = read_metadata(tmp_path / "text.safetensors")
    assert about["classes"] == ["anger", "fear"]
    assert about["prompts"][0] == "A photo of an angry facial expression." and about["prompts"][-1] == ""
    with open_tensors(tmp_path / "text.safetensors") as handle:
        tokens = handle.get_tensor("tokens")
    assert tokens.shape == (4, 24, 384)
    assert len({row.tobytes() for row in tokens}) == 4
