"""The vision transformer takes over the file that its authors share, whole, at its full size."""

import pytest
import torch
from facetory.data.labels import BASIC
from facetory.pipeline.files import FacetoryError, read_json, sha256_of
from facetory.recognition.checkpoint import LISTS, load, read_weights
from facetory.recognition.guide import load_guide
from facetory.recognition.networks import build
from facetory.recognition.spec import ClassifierSpec
from facetory.recognition.train import train_classifier
from facetory.recognition.vit import vit
from safetensors.torch import load_file, save_file
from transformers import ViTConfig, ViTForImageClassification

FILE = "checkpoints/facial_emotions_vit.safetensors"
SPEC = ClassifierSpec(network="vit", dataset="fer2013", px=224, steps=0, weights=FILE)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A model of the shared architecture with weights of its own, and the file that transformers saves."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("hub")
    torch.manual_seed(0)
    model = ViTForImageClassification(ViTConfig(num_labels=7)).eval()
    torch.nn.init.normal_(model.classifier.bias)
    model.save_pretrained(folder)
    return model, folder / "model.safetensors"


def test_the_list_names_every_tensor_of_the_shared_file(shared):
    listed = read_json(LISTS / "vit.json")
    assert {key: list(tensor.shape) for key, tensor in load_file(shared[1]).items()} == listed["weights"]
    assert "vit.encoder.layer.11.attention.attention.query.weight" in listed["weights"]


def test_the_shared_file_becomes_a_guide_without_its_dataset(shared, tmp_path):
    model, path = shared
    train_classifier(SPEC, path, tmp_path / "vit", tmp_path / "checkpoints", weights=path)
    about = read_json(tmp_path / "vit" / "manifest.json")
    assert about["parameters"] == 85_804_039 == sum(weight.numel() for weight in model.parameters())
    assert about["inputs"] == {str(path): sha256_of(path)}
    assert about["origin"]["tensors"] == 200 and about["origin"]["unused"] == 0
    guide = load_guide(tmp_path / "vit", SPEC)
    assert guide.classes == ("sadness", "disgust", "anger", "neutral", "fear", "surprise", "happiness")
    assert set(guide.classes) == set(BASIC)
    levels = torch.randint(0, 256, (1, 3, 224, 224), dtype=torch.uint8)
    with torch.inference_mode():
        expected = model(levels / 127.5 - 1).logits.log_softmax(1)
        torch.testing.assert_close(guide.log_probabilities(levels), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"vit.pooler.dense.weight": torch.zeros(2)}, r"1 unexpected: vit\.pooler\.dense\.weight"),
        ({"classifier.weight": torch.zeros(8, 768)}, r"classifier\.weight \(8, 768\) instead of \(7, 768\)"),
        ({"vit.layernorm.bias": None}, r"1 missing: vit\.layernorm\.bias"),
    ],
)
def test_another_file_is_refused_by_name(change, told, shared, tmp_path):
    listed = read_json(LISTS / "vit.json")["weights"]
    tensors = {key: torch.zeros(()).expand(shape) for key, shape in listed.items()} | change
    tensors = {key: tensor for key, tensor in tensors.items() if tensor is not None}
    torch.save(tensors, tmp_path / "other.pth")
    with torch.device("meta"):
        planned = vit(7)
    with pytest.raises(FacetoryError, match=told):
        load(planned, "vit", tmp_path / "other.pth")


def test_safetensors_are_read_as_they_are(tmp_path):
    save_file({"a": torch.arange(3.0)}, tmp_path / "model.safetensors")
    assert read_weights(tmp_path / "model.safetensors")["a"].tolist() == [0, 1, 2]
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[:-4])
    with pytest.raises(FacetoryError, match=r"cut\.safetensors: truncated, or not a safetensors file"):
        read_weights(tmp_path / "cut.safetensors")
    with pytest.raises(FacetoryError, match="the checkpoint is missing"):
        read_weights(tmp_path / "absent.safetensors")


def test_the_order_of_classes_for_another_dataset_must_be_named(shared, tmp_path):
    spec = SPEC.model_copy(update={"dataset": "affectnet"})
    with pytest.raises(FacetoryError, match=r"vit puts out for affectnet is not known.*weights_classes"):
        train_classifier(spec, shared[1], tmp_path / "c", tmp_path / "k", weights=shared[1])


@pytest.mark.parametrize("px", [16, 24, 64])
def test_a_small_one_sees_images_of_any_side(px):
    network = build(SPEC.model_copy(update={"size": "small", "px": px, "weights": None}), 7).eval()
    assert sum(weight.numel() for weight in network.parameters()) < 200_000
    with torch.inference_mode():
        first, second = network(torch.randn(2, 3, px, px))
    assert first.shape == (7,) and not torch.allclose(first, second)
