"""A guide says log p(expression | picture), differentiably, whatever makes it."""

import pytest
import torch
from facetory.pipeline.files import FacetoryError
from facetory.recognition import networks
from facetory.recognition.guide import as_guide, load_guide
from facetory.recognition.spec import ClassifierSpec
from facetory.recognition.train import train_classifier
from facetory.recognition.views import face_views, latent_views
from labelled import CLASSES, dataset

FACES = ClassifierSpec(network="cnn", size="small", dataset="drawn", px=16, steps=60, batch_size=16, lr=3e-3)
SPECS = {
    "cnn": FACES,
    "resnet18": FACES.model_copy(update={"network": "resnet18", "steps": 2}),
    "vit": FACES.model_copy(update={"network": "vit", "steps": 2}),
    "latents": FACES.model_copy(update={"view": "latents", "steps": 2}),
    "latent_cnn": FACES.model_copy(update={"network": "latent_cnn", "view": "latents"}),
}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("drawn")
    faces, train, test = dataset(folder, latents_tell=True)
    for name, spec in SPECS.items():
        source = train if spec.view == "latents" else faces
        train_classifier(spec, source, folder / name, folder / "checkpoints")
    return {"faces": faces, "test": test, "folder": folder}


def inputs(name, places):
    if SPECS[name].view == "latents":
        return torch.from_numpy(latent_views(places["test"]).views[:, 0])
    return torch.from_numpy(face_views(places["faces"], "test", 16).views[:, 0])


@pytest.mark.parametrize("name", SPECS)
def test_it_says_what_the_classifier_says(name, places):
    spec, x = SPECS[name], inputs(name, places)
    guide = load_guide(places["folder"] / name, spec)
    network, _ = networks.load(places["folder"] / name, spec)
    with torch.inference_mode():
        expected = network(networks.prepare_for(spec)(x)).log_softmax(1)
        torch.testing.assert_close(guide.log_probabilities(x), expected)
    assert guide.classes == tuple(CLASSES) and guide.view == spec.view


@pytest.mark.parametrize("name", SPECS)
def test_its_gradient_is_that_of_the_log_probability(name, places):
    """Along the gradient, finite differences in float64 agree with it."""
    guide = load_guide(places["folder"] / name, SPECS[name])
    x = inputs(name, places)[:2].float()
    if guide.view == "faces":
        x = torch.nn.functional.interpolate(x, (23, 23), mode="bilinear")
    x.requires_grad_()
    score = guide.log_probabilities(x)[:, 3].sum()
    (gradient,) = torch.autograd.grad(score, x)
    norm = gradient.norm()
    assert norm > 0
    length = 1.0 if guide.view == "faces" else 0.01
    with torch.no_grad():
        ahead, behind = (
            guide.log_probabilities(x + sign * length * gradient / norm)[:, 3].sum() for sign in (1, -1)
        )
    assert float(ahead - behind) / (2 * length) == pytest.approx(float(norm), rel=0.05)


def test_faces_of_any_size_are_judged_as_their_small_versions(places):
    guide = load_guide(places["folder"] / "cnn", FACES)
    faces = inputs("cnn", places)
    larger = faces.repeat_interleave(4, -1).repeat_interleave(4, -2)
    labels = torch.from_numpy(face_views(places["faces"], "test", 16).labels)
    found = guide.log_probabilities(larger)
    assert (found.argmax(1) == labels).float().mean() > 0.9
    torch.testing.assert_close(guide.log_probabilities(larger.float()), found, rtol=0.05, atol=0.05)


def test_its_weights_are_frozen(places):
    guide = load_guide(places["folder"] / "cnn", FACES)
    x = inputs("cnn", places)
    assert not guide.log_probabilities(x).requires_grad
    assert guide.log_probabilities(x.numpy()).tolist() == guide.log_probabilities(x).tolist()


def test_any_function_is_a_guide():
    """One that takes brightness for happiness: its gradient is the softmax's."""

    def brightness(levels):
        happy = levels.float().mean((1, 2, 3)) / 255
        return torch.stack([torch.zeros_like(happy), happy], 1).log_softmax(1)

    guide = as_guide(brightness, ["Sad", "happy"])
    assert (guide.classes, guide.view) == (("sadness", "happiness"), "faces")
    white = torch.full((1, 3, 4, 4), 255.0, requires_grad=True)
    found = guide.log_probabilities(white)
    torch.testing.assert_close(found.exp()[0, 1], torch.tensor(1.0).sigmoid())
    found[0, 1].backward()
    expected = (1 - torch.tensor(1.0).sigmoid()) / (255 * 48)
    torch.testing.assert_close(white.grad, expected.expand(1, 3, 4, 4))


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda x: torch.zeros(len(x), 3), r"gave \(2, 3\) instead of \(2, 2\)"),
        (lambda x: torch.zeros(len(x)), r"gave \(2,\) instead of \(2, 2\)"),
        (lambda x: torch.full((len(x), 2), 0.5), r"no log-probabilities.*log_softmax"),
        (lambda x: torch.full((len(x), 2), torch.nan), "no log-probabilities"),
    ],
)
def test_what_is_not_log_probabilities_is_refused(function, told):
    with pytest.raises(FacetoryError, match=told):
        as_guide(function, ["sad", "happy"]).log_probabilities(torch.zeros(2, 3, 4, 4))


def test_certainty_is_a_log_probability():
    certain = as_guide(lambda x: torch.tensor([[0.0, -torch.inf]]).expand(len(x), 2), ["sad", "happy"])
    assert certain.log_probabilities(torch.zeros(2, 3, 4, 4)).exp().tolist() == [[1, 0]] * 2
