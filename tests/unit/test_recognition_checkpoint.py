"""Authors' checkpoints load whole, or are refused with the reason; none of their code runs."""

import os
import re
import subprocess
import sys
from decimal import Decimal

import pytest
import torch
from facetory.pipeline.files import FacetoryError, sha256_of
from facetory.recognition.checkpoint import load, read_weights
from facetory.recognition.poster import poster
from facetory.recognition.posterpp import posterpp
from facetory.rehearsal.checkpoints import save_authors_file, unused
from facetory.rehearsal.random_weights import hollow, shapes_of

NETWORKS = {"poster": poster, "posterpp": posterpp}


def planned(name, classes=7):
    """A network of shapes alone, without memory for its weights."""
    with torch.device("meta"):
        return NETWORKS[name](classes)


def planned_weights(name, classes=7):
    """The weights of a network, of the right shapes but holding one number each."""
    return hollow(shapes_of(planned(name, classes)))


@pytest.mark.parametrize("name", NETWORKS)
def test_an_authors_checkpoint_gives_its_logits(name, tmp_path):
    torch.manual_seed(0)
    original = NETWORKS[name](7).eval()
    path = tmp_path / "best.pth"
    save_authors_file(name, path, original.state_dict())
    torch.manual_seed(1)
    loaded = NETWORKS[name](7).eval()
    about = load(loaded, name, path)
    images = torch.randn(1, 3, 112, 112)
    with torch.inference_mode():
        assert torch.equal(loaded(images), original(images))
    assert about["sha256"] == sha256_of(path)
    assert about["tensors"] == len(original.state_dict())
    assert about["unused"] == {"poster": 25, "posterpp": 39}[name]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"last.weight": torch.zeros(2)}, r"1 unexpected: last\.weight"),
        (
            {"ir_back.output_layer.3.bias": torch.zeros(9)},
            r"1 misshapen: ir_back\.output_layer\.3\.bias \(9,\) ",
        ),
        (
            {"ir_back.input_layer.0.weight": torch.zeros(64, 1, 3, 3)},
            r"\(64, 1, 3, 3\) instead of \(64, 3, 3, 3\)",
        ),
    ],
)
def test_another_tensor_is_refused_by_name(name, change, told, tmp_path):
    save_authors_file(name, tmp_path / "best.pth", planned_weights(name), hollow(unused(name)) | change)
    with pytest.raises(FacetoryError, match=told):
        load(planned(name), name, tmp_path / "best.pth")


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    "key", ["face_landback.conv1.bn.running_var", "face_landback.output_layer.linear.weight"]
)
def test_a_missing_tensor_is_named_and_nothing_is_loaded(name, key, tmp_path):
    weights, rest = planned_weights(name), hollow(unused(name))
    (weights if key in weights else rest).pop(key)
    save_authors_file(name, tmp_path / "best.pth", weights, rest)
    target = planned(name)
    target.ir_back.to_empty(device="cpu")
    first = target.ir_back.input_layer[0].weight.detach().fill_(7.0)
    with pytest.raises(FacetoryError, match=rf"1 missing: {re.escape(key)}\).*Download it again"):
        load(target, name, tmp_path / "best.pth")
    assert (first == 7).all()


def test_many_problems_are_told_shortly(tmp_path):
    torch.save({f"layer{i}": torch.zeros(1) for i in range(20)}, tmp_path / "other.pth")
    with pytest.raises(FacetoryError) as caught:
        load(planned("poster"), "poster", tmp_path / "other.pth")
    assert "1309 missing: face_landback.conv1.conv.weight, " in str(caught.value)
    assert "20 unexpected: layer0, layer1, layer2, layer3, layer4 …" in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_checkpoint_for_other_classes_is_refused(tmp_path):
    save_authors_file("poster", tmp_path / "best.pth", planned_weights("poster", classes=8))
    with pytest.raises(FacetoryError, match=r"head\.linear\.weight \(8, 512\) instead of \(7, 512\)"):
        load(planned("poster"), "poster", tmp_path / "best.pth")
    assert (
        load(planned("poster", 8).to_empty(device="cpu"), "poster", tmp_path / "best.pth")["tensors"] == 1284
    )


def test_small_networks_take_no_authors_checkpoint(tmp_path):
    save_authors_file("posterpp", tmp_path / "best.pth", planned_weights("posterpp"))
    with pytest.raises(FacetoryError, match=r"another size.*size 'paper'"):
        load(posterpp(7, "small"), "posterpp", tmp_path / "best.pth")


class Code:
    """Pickles to a call of the shell."""

    def __init__(self, line):
        self.line = line

    def __reduce__(self):
        return os.system, (self.line,)


@pytest.mark.parametrize("blanks", [(), ("__main__.RecorderMeter", "numpy.ndarray")])
def test_code_in_a_checkpoint_is_not_run(blanks, tmp_path):
    marker = tmp_path / "ran"
    torch.save({"state_dict": {}, "hook": Code(f"touch {marker}")}, tmp_path / "evil.pth")
    with pytest.raises(FacetoryError, match=rf"it holds {os.name}\.system, which would be run"):
        read_weights(tmp_path / "evil.pth", blanks)
    assert not marker.exists()


def test_the_advice_for_a_checkpoint_with_foreign_classes_works(tmp_path):
    torch.save({"state_dict": {"module.a": torch.ones(2)}, "lr": Decimal("0.1")}, tmp_path / "best.pth")
    with pytest.raises(FacetoryError, match=r"it holds decimal\.Decimal") as caught:
        read_weights(tmp_path / "best.pth")
    line = re.search(r'python -c "(.*)"$', str(caught.value))[1]
    subprocess.run([sys.executable, "-c", line], cwd=tmp_path, check=True, timeout=120)
    assert read_weights(tmp_path / "best-tensors.pth")["a"].tolist() == [1, 1]


def test_what_holds_no_weights_is_said(tmp_path):
    torch.save({"state": {}, "param_groups": [{"lr": 0.1}]}, tmp_path / "model_best.pth")
    with pytest.raises(FacetoryError, match="holds no weights"):
        read_weights(tmp_path / "model_best.pth")


@pytest.mark.parametrize("content", [b"", b"<html>Too many downloads</html>"])
def test_a_page_in_place_of_a_file_is_refused(content, tmp_path):
    (tmp_path / "best.pth").write_bytes(content)
    with pytest.raises(FacetoryError, match=r"not a PyTorch file\. Download it again"):
        read_weights(tmp_path / "best.pth")


def test_a_truncated_file_is_refused(tmp_path):
    torch.save({"a": torch.ones(1000)}, tmp_path / "best.pth")
    whole = (tmp_path / "best.pth").read_bytes()
    (tmp_path / "best.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FacetoryError, match="truncated"):
        read_weights(tmp_path / "best.pth")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FacetoryError, match=r"best\.pth: the checkpoint is missing"):
        read_weights(tmp_path / "best.pth")
