"""The stages of the four papers that fill a device, each ready to run at any batch size.

Sizes, batches and precisions are those of the specs that scale `paper` plans; weights are random, because
memory does not depend on them.  What runs is the stages' own code: a task's loss with the loop's optimiser,
an evaluation's batches, a sampler.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import torch
from facetory.adaptdiff import generation
from facetory.adaptdiff import planning as adaptdiff_planning
from facetory.adaptdiff import registry as adaptdiff_registry
from facetory.adaptdiff.architectures import architecture as identity_architecture
from facetory.adaptdiff.generator import new_generator
from facetory.adaptdiff.learnt import Learnt
from facetory.adaptdiff.shards import CHUNK
from facetory.adaptdiff.spec import IdentitySampler
from facetory.adaptdiff.task import IdentityNoisePrediction
from facetory.adaptdiff.train import schedule_of as generator_schedule
from facetory.affectdiff import planning as affectdiff_planning
from facetory.affectdiff import registry as affectdiff_registry
from facetory.affectdiff.batches import Corpus
from facetory.affectdiff.networks import build as build_recognizer
from facetory.affectdiff.spec import ModelSpec
from facetory.affectdiff.task import Recognition
from facetory.affectdiff.train import schedule_of as recognizer_schedule
from facetory.data.labels import BASIC
from facetory.data.mosei.foundation import foundation
from facetory.data.mosei.spec import MODALITIES
from facetory.diffusion import lora
from facetory.diffusion.architecture import new_unet, new_vae
from facetory.diffusion.denoising import Latents as DeviceLatents
from facetory.diffusion.denoising import NoisePrediction
from facetory.diffusion.encode import _moments
from facetory.diffusion.schedule import alphas_cumprod
from facetory.diffusion.small_decoder import small_decoder
from facetory.diffusion.unconditional import new_unconditional
from facetory.diffusion.vq import VQ_F4
from facetory.emodc import generate
from facetory.emodc import planning as emodc_planning
from facetory.emodc import registry as emodc_registry
from facetory.emodc.active_set import ActiveSet
from facetory.emodc.classifier import errors_by_class
from facetory.emodc.errors import share_text
from facetory.emodc.inputs import Backbone, Latents
from facetory.emodc.losses import prompts_needed
from facetory.emodc.race import measured as raced
from facetory.emodc.train import EmoDCTask
from facetory.emodc.train import schedule_of as emodc_schedule
from facetory.pipeline.config import load_settings
from facetory.pipeline.randomness import sample_keys, stream_key
from facetory.pipeline.registry import Study
from facetory.recognition import face_model
from facetory.recognition import identity as identities
from facetory.recognition.cosface import Prototypes
from facetory.recognition.expressions import log_probabilities
from facetory.recognition.face_task import FaceRecognition
from facetory.recognition.face_train import schedule_of as face_schedule
from facetory.recognition.features import BATCH as FEATURES_BATCH
from facetory.recognition.features import FeatureNetwork
from facetory.recognition.guide import Guide
from facetory.recognition.iresnet import iresnet
from facetory.recognition.networks import build, prepare_for
from facetory.recognition.train import schedule_of as classifier_schedule
from facetory.recognition.train import task_of
from facetory.recognition.views import Views
from facetory.smc import planning as smc_planning
from facetory.smc import registry as smc_registry
from facetory.smc.editing import GROUP_ROWS, sampled
from facetory.smc.measure import probabilities
from facetory.smc.parts import Parts
from facetory.smc.sample import draw as draw_samples
from facetory.smc.small_decoder import Distillation
from facetory.training import loop
from facetory.training.state import State
from facetory.training.watch import Watch
from memory_tracker import Prepared
from torch import Tensor, nn

WINGS = {
    "emodc": (emodc_registry, emodc_planning),
    "smc": (smc_registry, smc_planning),
    "affectdiff": (affectdiff_registry, affectdiff_planning),
    "adaptdiff": (adaptdiff_registry, adaptdiff_planning),
}
TOKENS, TEXT_WIDTH = 77, 1024
FACES = {"celebahq": 24_183, "ffhq": 70_000, "casia_webface": 490_623}
"""Faces whose latents lie on the device while a model of them is trained."""
SEGMENTS, WORDS = 23_259, 19
"""CMU-MOSEI's segments, and words of one on average: its aligned features lie on the device."""


class Stage(NamedTuple):
    """A stage at its paper's batch; ``make(batch, device)`` prepares it at any.

    ``scope`` tells what of the stage is run, ``px`` the side of its pictures (None: it sees none).
    """

    name: str
    paper: str
    model: str
    precision: str
    batch: int
    px: int | None
    make: Callable[[int, str], Prepared]
    scope: str = ""


def stages() -> list[Stage]:
    """All stages, in the order of the papers."""
    return [*of_emodc(), *of_comparators(), *of_smc(), *of_affectdiff(), *of_adaptdiff()]


@cache
def study(paper: str) -> Study:
    """All specs of a paper at scale `paper`, as on a machine with a GPU on which everything is placed."""
    registry, planning = WINGS[paper]
    settings = load_settings({"scale": "paper"})
    vars(settings)["device"] = "cuda"
    with mock.patch.object(planning, "why_not", return_value=None):
        return registry.study(settings, lambda name: None, lambda name: None)


def first(specs: dict[str, Any], **fields: Any) -> Any:
    """The first spec with these values."""
    return next(s for s in specs.values() if all(getattr(s, name) == v for name, v in fields.items()))


def of_emodc() -> list[Stage]:
    """Stable Diffusion 2.1's UNet with LoRA: training, the diffusion classifier, races, faces."""
    own = study("emodc")
    amdit = first(own.runs, loss="amdit", non_negative_prompt="positive", dataset="rafdb_basic")
    three = first(own.runs, loss="amdit", non_negative_prompt="non_class")
    seen = first(own.evaluations, train=amdit)
    zero_shot = first(own.evaluations, train=None)
    raced, drawn = next(iter(own.races.values())), next(iter(own.generations.values()))
    sd21 = ("emodc", "UNet of Stable Diffusion 2.1")
    vae = ("emodc", "autoencoder of Stable Diffusion 2.1")
    adapter = (*sd21[:1], f"{sd21[1]}, LoRA of rank {amdit.lora_rank}")
    train = (amdit.precision, amdit.batch_size, amdit.px)
    every = "all samples active: the pass without gradients, then the full one"
    skipping = amdit.model_copy(update={"active_set": "always"})
    whole = amdit.model_copy(update={"active_set": "never"})
    third = three.model_copy(update={"active_set": "never"})
    images = len(drawn.guidance_scales) * len(BASIC) * drawn.per_class
    drawing = f"{images} faces, each with its unguided twin; one of {drawn.steps} steps"
    encoding = "one batch; clean faces are encoded with their mirror images, one after the other"
    return [
        Stage("training, AMDiT (2 prompts)", *adapter, *train, partial_of(train_emodc, whole)),
        Stage("training, AMDiT (3 prompts)", *adapter, *train, partial_of(train_emodc, third)),
        Stage("training, AMDiT, active set", *adapter, *train, partial_of(train_emodc, skipping), every),
        Stage(
            "evaluation", *sd21, seen.precision, seen.batch_size, seen.px, partial_of(evaluate_emodc, seen)
        ),
        Stage(
            "evaluation, zero-shot",
            *sd21,
            zero_shot.precision,
            zero_shot.batch_size,
            zero_shot.px,
            partial_of(evaluate_emodc, zero_shot),
        ),
        Stage("racing", *sd21, raced.precision, raced.batch_size, raced.px, partial_of(race_emodc, raced)),
        Stage("generation", *sd21, "no", images, drawn.px, partial_of(generate_emodc, drawn), drawing),
        *(
            Stage(f"encoding at {px} px", *vae, "no", 16, px, partial_of(encode, "sd21", px), encoding)
            for px in (amdit.px, zero_shot.px)
        ),
    ]


def partial_of(function: Callable[..., Prepared], *about: Any) -> Callable[[int, str], Prepared]:
    """``function`` of a spec, waiting for batch and device."""
    return lambda batch, device: function(*about, batch, device)


def train_emodc(spec: Any, batch: int, device: str) -> Prepared:
    """A step of EmoDC's task; the adapter lies beside the frozen weights."""
    unet = share_text(on(device, lambda: new_unet("sd21")).eval())
    lora.inject(unet, spec.lora_rank, spec.lora_alpha, spec.lora_targets, spec.seed)
    unet.to(device)
    side, names = spec.px // 8, [f"face {i}" for i in range(batch)]
    moments = np.zeros((batch, 2, 4, side, side), np.float16)
    labels = np.arange(batch) % len(BASIC)
    task = object.__new__(EmoDCTask)
    vars(task).update(
        spec=spec,
        device=torch.device(device),
        latents=Latents(moments, moments, labels, names, names, list(BASIC), 0.18215, spec.dataset),
        size=batch,
        keys=sample_keys(names),
        tokens=torch.zeros(len(BASIC) + 2, TOKENS, TEXT_WIDTH, device=device),
        alpha_bars=alphas_cumprod().to(device),
        unet=unet,
        prediction_type="epsilon",
        roles=prompts_needed(spec.loss, spec.non_negative_prompt),
        active_set=ActiveSet(spec.active_set, device),
    )
    if spec.active_set == "never":
        task.active_set.decide = lambda step: False
    spec = spec.model_copy(update={"batch_size": batch})
    return trained(task, emodc_schedule(spec), device)


def classifier_of(device: str) -> nn.Module:
    """The UNet as the diffusion classifier has it, the adapter folded in."""
    return share_text(frozen(lambda: new_unet("sd21"), device))


def evaluate_emodc(spec: Any, batch: int, device: str) -> Prepared:
    """Batches of the diffusion classifier."""
    unet, side = classifier_of(device), spec.px // 8
    tokens = torch.zeros(len(BASIC), TOKENS, TEXT_WIDTH, device=device)
    pairs = max(1, batch // len(BASIC))
    latents, keys = torch.zeros(pairs, 4, side, side), sample_keys([f"face {i}" for i in range(pairs)])
    bars, times = alphas_cumprod().to(device), np.array([500, 600])

    def step(number: int) -> Any:
        given = (unet, latents, keys, times, tokens, bars, "epsilon")
        return errors_by_class(*given, batch_size=batch, precision=spec.precision)

    return Prepared({"unet": unet}, step)


def race_emodc(spec: Any, batch: int, device: str) -> Prepared:
    """Full batches of a race, each row with a face, a timestep and a prompt of its own."""
    unet, side = classifier_of(device), spec.px // 8
    tokens = torch.zeros(len(BASIC), TOKENS, TEXT_WIDTH, device=device)
    latents, keys = torch.zeros(batch, 4, side, side), sample_keys([f"face {i}" for i in range(batch)])
    bars, rows = alphas_cumprod().to(device), np.arange(batch)
    given = (unet, latents, keys, np.array([500]), tokens, bars, "epsilon")
    measure = raced(*given, batch_size=batch, precision=spec.precision)
    return Prepared({"unet": unet}, lambda number: measure(rows, rows * 0, rows % len(BASIC)))


def generate_emodc(spec: Any, batch: int, device: str) -> Prepared:
    """A step of DDIM, and decoding."""
    unet, vae = classifier_of(device), frozen(lambda: new_vae("sd21"), device)
    asked = len(spec.guidance_scales) * len(BASIC)
    spec = spec.model_copy(update={"steps": 1, "per_class": max(1, batch // asked)})
    tokens = torch.zeros(len(BASIC) + 2, TOKENS, TEXT_WIDTH, device=device)

    def step(number: int) -> Any:
        with (
            mock.patch.object(generate, "model", return_value=unet),
            mock.patch("facetory.diffusion.backbone.load_vae", return_value=vae),
        ):
            return generate.draw(spec, Backbone(None, "epsilon"), None, tokens, device)

    return Prepared({"unet": unet, "vae": vae}, step)


def encode(name: str, px: int, batch: int, device: str) -> Prepared:
    """A batch of clean faces through the encoder, and of their mirror images."""
    vae = frozen(first_stage if name == "vq-f4" else lambda: new_vae(name), device)
    pixels = torch.zeros(batch, 3, px, px, dtype=torch.uint8)

    def step(number: int) -> Any:
        with torch.no_grad():
            return _moments(vae, pixels, mirrored=True)

    return Prepared({"vae": vae}, step)


def first_stage() -> Any:
    """LDM's VQ-f4."""
    from diffusers import VQModel

    return VQModel(**VQ_F4)


def of_comparators() -> list[Stage]:
    """EmoDC's discriminative networks: trained where no authors' checkpoint serves, and evaluated."""
    trained_ones = [s for s in study("emodc").classifiers.values() if s.steps and s.view == "faces"]
    found = {spec.network: spec for spec in trained_ones}
    scored = next(iter(study("emodc").classifications.values()))
    training = [
        Stage(
            f"training, {network}",
            "emodc",
            network,
            spec.precision,
            spec.batch_size,
            spec.px,
            partial_of(train_classifier, spec),
        )
        for network, spec in found.items()
    ]
    spec = found["posterpp"]
    batch, about = scored.batch_size, ("emodc", spec.network, "no")
    evaluation = Stage("evaluation, posterpp", *about, batch, spec.px, partial_of(score_classifier, spec))
    return [*training, evaluation]


def train_classifier(spec: Any, batch: int, device: str) -> Prepared:
    """A step of the classifiers' task."""
    names = [f"face {i}" for i in range(batch)]
    latent = spec.view == "latents"
    shape = (4, spec.px // 8, spec.px // 8) if latent else (3, spec.px, spec.px)
    views = np.zeros((batch, 2 if latent else 1, *shape), np.float32 if latent else np.uint8)
    data = Views(views, np.arange(batch) % len(BASIC), names, names, list(BASIC))
    spec = spec.model_copy(update={"batch_size": batch})
    network = build(spec, len(BASIC), *shape[:2])
    return trained(task_of(spec, data, network, device), classifier_schedule(spec), device)


def score_classifier(spec: Any, batch: int, device: str) -> Prepared:
    """A batch of an evaluation, which is in float32."""
    network, prepare = frozen(lambda: build(spec, len(BASIC)), device), prepare_for(spec)
    images = np.zeros((batch, 3, spec.px, spec.px), np.uint8)
    return Prepared({spec.network: network}, lambda _: log_probabilities(network, prepare, images, batch))


def of_smc() -> list[Stage]:
    """The unconditional UNet, the small decoder, edits by particles and by the gradient, and measures."""
    own = study("smc")
    diffusion, decoder = next(iter(own.diffusions.values())), next(iter(own.decoders.values()))
    edits = list(own.edits.values())
    looking = [edit for edit in edits if edit.guide.view == "faces" and edit.decoder is None]
    smc = next(edit for edit in looking if edit.sampler.method == "smc" and edit.sampler.particles == 20)
    gradients = [edit for edit in edits if edit.sampler.method == "gradient"]
    ways = {edit.guide.view: edit for edit in gradients}
    latent = next((edit.guide for edit in edits if edit.guide.view == "latents"), None)
    sample, measure = next(iter(own.samples.values())), next(iter(own.measures.values()))
    px = diffusion.px
    faces = GROUP_ROWS // smc.sampler.particles
    told = f"{faces} faces of {smc.sampler.particles} particles, all distinct; two steps"
    networks = "UNet, autoencoder, ViT-B/16"
    through = smc.sampler.model_copy(update={"method": "gradient", "scored": "x0"})
    far = smc.model_copy(update={"sampler": through})
    stages = [
        Stage(
            "training, diffusion model",
            "smc",
            "unconditional UNet",
            diffusion.precision,
            diffusion.batch_size,
            px,
            partial_of(train_smc, diffusion),
            "all latents lie on the device",
        ),
        Stage(
            "training, small decoder",
            "smc",
            "small decoder, autoencoder as its teacher",
            decoder.precision,
            decoder.batch_size,
            px,
            partial_of(train_decoder, decoder),
        ),
        Stage("editing by particles", "smc", networks, "no", smc.batch_rows, px, partial_of(edit, smc), told),
        *(
            Stage(
                f"editing by the gradient, guide on {view}",
                "smc",
                networks if view == "faces" else "UNet, autoencoder, latent CNN",
                "no",
                way.batch_rows,
                px,
                partial_of(edit, way),
                f"{GROUP_ROWS // way.sampler.particles} faces; two steps",
            )
            for view, way in ways.items()
        ),
        Stage(
            "editing by the gradient, guide on x̂_0's faces",
            "smc",
            networks,
            "no",
            smc.batch_rows,
            px,
            partial_of(edit, far),
            f"{faces} faces; differentiated through guide, decoder and UNet; in no table of the paper",
        ),
        Stage(
            "samples",
            "smc",
            "UNet, autoencoder",
            "no",
            sample.batch_rows,
            px,
            partial_of(sample_smc, sample),
            f"one of {sample.inference_steps} steps, and decoding",
        ),
        Stage(
            "measures, Inception", "smc", "Inception-v3", "no", FEATURES_BATCH, px, partial_of(inception, px)
        ),
        Stage(
            "measures, FaceNet",
            "smc",
            "FaceNet",
            "no",
            identities.BATCH,
            px,
            partial_of(embed, "facenet", px),
        ),
        Stage(
            "measures, judge",
            "smc",
            measure.judge.network,
            "no",
            measure.edit.batch_rows,
            px,
            partial_of(judge, measure.judge, px),
        ),
    ]
    if latent:
        stages.append(
            Stage(
                "training, guide on latents",
                "smc",
                latent.network,
                latent.precision,
                latent.batch_size,
                latent.px,
                partial_of(train_classifier, latent),
            )
        )
    return stages


def train_smc(spec: Any, batch: int, device: str) -> Prepared:
    """A step of the diffusion model's task."""
    unet = on(device, lambda: new_unconditional(spec.architecture, 4))
    latents = on_device(FACES[spec.dataset], (4, spec.px // 8, spec.px // 8), device)
    task = NoisePrediction(
        unet, latents, alphas_cumprod(1000, spec.beta_start, spec.beta_end), seed=spec.seed
    )
    spec = spec.model_copy(update={"batch_size": batch})
    schedule = loop.Schedule.of(spec, ema=spec.ema)
    return trained(task, schedule, device, [*latents[:3], task.training, task.alpha_bar])


def train_decoder(spec: Any, batch: int, device: str) -> Prepared:
    """A step of the distillation, the teacher's pass included."""
    vae, side = frozen(lambda: new_vae("sd21"), device), spec.px // 8
    task = object.__new__(Distillation)
    moments = torch.zeros(batch, 2, 4, side, side, dtype=torch.float16)
    vars(task).update(
        vae=vae,
        device=torch.device(device),
        mean=moments,
        logvar=moments,
        keys=torch.arange(batch),
        size=batch,
        streams={purpose: stream_key(0, purpose) for purpose in ("flip", "posterior")},
        decoder=on(device, lambda: small_decoder(4, spec.widths)),
    )
    spec = spec.model_copy(update={"batch_size": batch})
    ready = trained(task, loop.Schedule.of(spec, warmup=1), device)
    return ready._replace(networks=ready.networks | {"vae": vae})


def edit(spec: Any, batch: int, device: str) -> Prepared:
    """Two steps of a group of faces, forward passes of ``batch`` rows."""
    vae = frozen(lambda: new_vae("sd21"), device)
    unet = frozen(lambda: new_unconditional(spec.train.architecture, 4), device)
    side, faces = spec.train.px // 8, max(1, GROUP_ROWS // spec.sampler.particles)
    guide, network = guide_of(spec.guide, device)
    alpha_bar = alphas_cumprod(1000, spec.train.beta_start, spec.train.beta_end).to(device)
    parts = Parts(unet, vae, guide, alpha_bar, batch_rows=batch)
    z_0, keys = torch.zeros(faces, 4, side, side, device=device), sample_keys([f"f{i}" for i in range(faces)])
    targets = torch.zeros(faces, dtype=torch.int64, device=device)

    def step(number: int) -> Any:
        with torch.no_grad():
            return sampled(z_0, keys, targets, parts, spec.sampler, [4, 0])

    return Prepared({"unet": unet, "vae": vae, "guide": network}, step)


def guide_of(spec: Any, device: str) -> tuple[Guide, nn.Module]:
    """A guide by its spec, and its network."""
    from facetory.recognition import guide

    shape = (4, spec.px // 8) if spec.view == "latents" else (3, spec.px)
    network = frozen(lambda: build(spec, len(BASIC), *shape), device)
    with mock.patch.object(guide, "load", return_value=(network, list(BASIC))):
        return guide.load_guide("", spec, device), network


def sample_smc(spec: Any, batch: int, device: str) -> Prepared:
    """A step of DDPM, and decoding, forward passes of ``batch`` rows."""
    vae = frozen(lambda: new_vae("sd21"), device)
    unet = frozen(lambda: new_unconditional(spec.train.architecture, 4), device)
    spec = spec.model_copy(update={"inference_steps": 1, "batch_rows": batch})
    return Prepared({"unet": unet, "vae": vae}, lambda number: draw_samples(spec, unet, vae))


def inception(px: int, batch: int, device: str) -> Prepared:
    """Sources, edits and reconstructions through the network, whose maps are compared."""
    from facetory.recognition import features
    from facetory.recognition.inception import InceptionV3

    network = FeatureNetwork("inception", frozen(InceptionV3, device), device)
    pictures = [np.zeros((batch, 3, px, px), np.uint8)] * 3

    def step(number: int) -> Any:
        with mock.patch.object(features, "BATCH", batch):
            return network.compare(*pictures)

    return Prepared({"inception": network.network}, step)


def embed(name: str, px: int, batch: int, device: str) -> Prepared:
    """A batch of an identity network."""
    from facetory.recognition import elasticface, facenet, features

    made: dict[str, nn.Module] = {}

    def keep(network: nn.Module, *_: Any) -> nn.Module:
        made[name] = network.eval().requires_grad_(False)
        return network

    with (
        mock.patch.object(facenet, "checked"),
        mock.patch.object(features, "filled", keep),
        mock.patch.object(elasticface, "checked"),
        mock.patch.object(elasticface, "load", keep),
    ):
        describe = identities._network(name, device, "")
    images = np.zeros((batch, 3, px, px), np.uint8)

    def step(number: int) -> Any:
        with torch.inference_mode():
            return describe(images)

    return Prepared(made, step)


def judge(spec: Any, px: int, batch: int, device: str) -> Prepared:
    """A batch of the judge's probabilities."""
    guide, network = guide_of(spec, device)
    images = np.zeros((batch, 3, px, px), np.uint8)

    return Prepared({"judge": network}, lambda number: probabilities(guide, images, batch))


def of_affectdiff() -> list[Stage]:
    """Affect-Diff and the faithful baselines, and the foundation models that extract features."""
    own = study("affectdiff")
    specs = list(own.recognizers.values())
    model = next(s for s in specs if s.model == ModelSpec())
    baselines = {s.model.network: s for s in specs if getattr(s.model, "size", "") == "faithful"}
    extraction = next(iter(own.extractions.values()))
    corpus = "the corpus lies on the device"
    batch = extraction.batch_size
    windows = {"roberta": "windows of 258 tokens", "hubert": "windows of 12 s", "clip": "frames of 224 px"}
    return [
        Stage(
            "training, full model",
            "affectdiff",
            "Affect-Diff",
            model.precision,
            model.batch_size,
            None,
            partial_of(train_recognizer, model),
            corpus,
        ),
        *(
            Stage(
                f"training, {name} (faithful)",
                "affectdiff",
                name,
                spec.precision,
                spec.batch_size,
                None,
                partial_of(train_recognizer, spec),
                corpus,
            )
            for name, spec in baselines.items()
        ),
        *(
            Stage(
                f"features, {foundation(name).title}",
                "affectdiff",
                foundation(name).title,
                "no",
                batch,
                None if name != "clip" else 224,
                partial_of(extract, name),
                windows[name],
            )
            for name in windows
        ),
    ]


def train_recognizer(spec: Any, batch: int, device: str) -> Prepared:
    """A step of a recogniser's task on a corpus as large as CMU-MOSEI."""
    spec = spec.model_copy(update={"batch_size": batch})
    starts = {m: torch.arange(SEGMENTS + 1, device=device) * WORDS for m in MODALITIES}
    rows = {
        m: torch.zeros(SEGMENTS * WORDS + 1, width, device=device)
        for m, width in zip(MODALITIES, spec.model.dims, strict=True)
    }
    measured = {m: torch.zeros(SEGMENTS * WORDS + 1, dtype=torch.bool, device=device) for m in MODALITIES}
    labels = np.arange(SEGMENTS) % spec.model.classes
    counts = np.bincount(labels, minlength=spec.model.classes).tolist()
    parts = {part: np.arange(SEGMENTS) for part in ("train", "validation", "test")}
    names = [""] * SEGMENTS
    corpus = Corpus(
        rows=rows,
        measured=measured,
        offsets=starts,
        length=spec.model.length,
        parts=parts,
        labels=labels,
        sentiment=labels * 0.0,
        videos=names,
        segment_ids=names,
        normalisation={},
        class_counts=dict.fromkeys(parts, counts),
        about={},
    )
    task = Recognition(spec, corpus, build_recognizer(spec), device)
    data = [*rows.values(), *measured.values(), *starts.values()]
    return trained(task, recognizer_schedule(spec, task.steps_per_epoch), device, data)


def extract(name: str, batch: int, device: str) -> Prepared:
    """A batch of windows, or frames, through a foundation model in float32."""
    import transformers
    from facetory.data.mosei import extract_audio, extract_text

    own = {
        "roberta": transformers.RobertaConfig(max_position_embeddings=514),
        "hubert": transformers.HubertConfig(),
        "clip": transformers.CLIPVisionConfig(patch_size=16),
    }
    pooled = {"add_pooling_layer": False} if name == "roberta" else {}
    network = frozen(lambda: getattr(transformers, foundation(name).network)(own[name], **pooled), device)
    width = extract_text.CORE + 2 * extract_text.MARGIN + 2
    sound = np.zeros(batch * extract_audio.CORE * extract_audio.STATES * extract_audio.HOP, np.float32)

    def step(number: int) -> Any:
        with torch.inference_mode():
            if name == "roberta":
                ids = torch.ones(batch, width, dtype=torch.int64, device=device)
                return network(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
            if name == "clip":
                return network(pixel_values=torch.zeros(batch, 3, 224, 224, device=device)).image_embeds
            return extract_audio.speech_features(network, sound, batch)

    return Prepared({name: network}, step)


def of_adaptdiff() -> list[Stage]:
    """Contexts, the generator, synthesis, and face recognition."""
    own = study("adaptdiff")
    generators = {s.dataset: s.model_copy(update={"weights": None}) for s in own.generators.values()}
    generator = generators["ffhq"]
    synthesis = next(s for s in own.syntheses.values() if s.guidance.schedule == "linear")
    recogniser = next(s for s in own.face_recognizers.values() if s.identities == synthesis.identities)
    unet, face = "IDiff-Face UNet", synthesis.px
    shape = latent_shape(generator)
    held_out = "the whole held-out split in one batch, in float32; latents and contexts lie on the device"
    about = (generator.precision, generator.batch_size, generator.px)
    return [
        Stage(
            "encoding",
            "adaptdiff",
            "VQ-f4",
            "no",
            16,
            generator.px,
            partial_of(encode, "vq-f4", generator.px),
        ),
        Stage(
            "contexts",
            "adaptdiff",
            "IResNet-100 (ElasticFace)",
            "no",
            identities.BATCH,
            face,
            partial_of(embed, generator.contexts.embedder, face),
        ),
        *(
            Stage(
                f"training, generator on {name}",
                "adaptdiff",
                unet,
                *about,
                partial_of(train_generator, spec, False),
                "latents and contexts lie on the device",
            )
            for name, spec in generators.items()
        ),
        Stage(
            "validation, generator",
            "adaptdiff",
            unet,
            "no",
            256,
            generator.px,
            partial_of(train_generator, generator, True),
            held_out,
        ),
        Stage(
            "synthesis, guided",
            "adaptdiff",
            f"{unet}, VQ-f4",
            synthesis.precision,
            synthesis.batch_rows,
            generator.px,
            partial_of(synthesise, synthesis, shape),
            f"p⁺ and p⁻ in one batch; two of {synthesis.sampler.steps} steps, and decoding",
        ),
        Stage(
            "training, face recogniser",
            "adaptdiff",
            f"{recogniser.network}, CosFace",
            recogniser.precision,
            recogniser.batch_size,
            face,
            partial_of(train_face_recogniser, recogniser),
        ),
        Stage(
            "verification",
            "adaptdiff",
            recogniser.network,
            "no",
            face_model.BATCH,
            face,
            partial_of(verify, recogniser),
        ),
    ]


def latent_shape(spec: Any) -> tuple[int, int, int]:
    """The shape of VQ-f4's latents."""
    return (VQ_F4["latent_channels"], spec.px // 4, spec.px // 4)


def train_generator(spec: Any, validating: bool, batch: int, device: str) -> Prepared:
    """A step of the generator's task, or a validation of it after one."""
    shape, faces, size = latent_shape(spec), FACES[spec.dataset], 512
    latents = on_device(faces, shape, device)
    contexts = torch.zeros(faces, 2, size, device=device)
    people = [f"person {i // 10}" for i in range(faces)]
    unet = on(device, lambda: new_generator(spec, shape, size))
    learnt = Learnt(latents, contexts, people, 0)
    task = IdentityNoisePrediction(unet, learnt, alphas_cumprod(), spec.seed)
    if validating:
        task.held_out, task.another = task.held_out[:batch], task.another[:batch]
    spec = spec.model_copy(update={"batch_size": 1 if validating else batch})
    data = [*latents[:3], contexts, task.training, task.held_out, task.another, task.alpha_bar]
    ready = trained(task, generator_schedule(spec), device, data)
    if not validating:
        return ready

    def step(number: int) -> Any:
        if not number:
            return ready.step(0)
        unet.eval()
        with torch.no_grad():
            return task.validate(number)

    return ready._replace(step=step)


def synthesise(spec: Any, shape: tuple[int, int, int], batch: int, device: str) -> Prepared:
    """Two steps of DDPM and the decoding of a batch."""
    sizes = identity_architecture(spec.generator.architecture, input_channels=shape[0])
    unet = frozen(lambda: generation_unet(sizes), device)
    vae = frozen(first_stage, device)
    spec = spec.model_copy(update={"batch_rows": batch, "sampler": IdentitySampler(steps=2)})
    contexts = np.zeros((CHUNK, sizes.context_size), np.float32)
    told = generation.tell(unet, contexts, contexts, range(CHUNK), CHUNK)
    rows = [(i % CHUNK, i // CHUNK) for i in range(batch)]
    data = [tensor for pair in told.projected.told for tensor in pair]

    def step(number: int) -> Any:
        return generation.draw(spec, unet, lambda z: vae.decode(z).sample, told, rows, shape, device)

    return Prepared({"unet": unet, "vae": vae}, step, data=data)


def generation_unet(sizes: Any) -> nn.Module:
    """The identity-conditioned UNet."""
    from facetory.adaptdiff.unet import IdentityUNet

    return IdentityUNet(sizes)


def train_face_recogniser(spec: Any, batch: int, device: str) -> Prepared:
    """A step of the face recogniser's task, with one prototype a person."""
    spec = spec.model_copy(update={"batch_size": batch})
    people = spec.identities - round(spec.validation_share * spec.identities)
    task = object.__new__(FaceRecognition)
    made = iresnet(spec.network, spec.px, spec.embedding, spec.dropout, spec.seed)
    vars(task).update(
        spec=spec,
        device=device,
        size=batch,
        labels=torch.arange(batch) % people,
        network=made.to(device),
        prototypes=Prototypes(people, spec.embedding).to(device),
        batch=lambda step: np.zeros((batch, 3, spec.px, spec.px), np.uint8),
        step=-1,
        waiting=np.empty(0),
    )
    return trained(task, face_schedule(spec, batch), device)


def verify(spec: Any, batch: int, device: str) -> Prepared:
    """A batch of a trained recogniser's features."""
    network = frozen(lambda: iresnet(spec.network, spec.px, spec.embedding), device)
    describe = face_model.describing(network, spec.px, device)
    images = np.zeros((batch, 3, spec.px, spec.px), np.uint8)

    def step(number: int) -> Any:
        with mock.patch.object(face_model, "BATCH", batch):
            return describe(images)

    return Prepared({spec.network: network}, step)


def trained(task: Any, schedule: Any, device: str, data: list[Tensor] | None = None) -> Prepared:
    """One step of the training loop: loss, backward pass, clipping, optimiser, running means.

    Gradients are kept between steps, weights are float32 and half precision is autocast's, as in
    `facetory.training.loop`; the weights of the best validation so far are held where the schedule selects.
    The scaler of fp16 holds three numbers and is left out.
    """
    modules = task.modules()
    weights = loop.named_weights(modules)
    _, optimizer = loop._optimizer(task, schedule, Passing)
    state = State(weights, loop.named_buffers(modules), optimizer, Watch(schedule), schedule, None)
    for weight in weights.values():
        weight.grad = torch.zeros_like(weight)
    for module in modules.values():
        module.train()
    half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(schedule.precision)

    def step(number: int) -> None:
        positions = np.arange(schedule.batch_size)
        with torch.autocast(device, half or torch.bfloat16, enabled=half is not None):
            loss, _ = task.loss(positions, number)
        loss.backward()
        if schedule.clip:
            loop._clip(optimizer, schedule.clip, Passing)
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
        state.update_ema(number)
        if schedule.select and not number:
            state.select({schedule.select: 0.0}, number)

    return Prepared(modules, step, optimizer, data or [], lambda: [*state.ema.values(), *state.kept.values()])


class Passing:
    """An accelerator that changes nothing."""

    @staticmethod
    def prepare(optimizer: Any) -> Any:
        return optimizer

    @staticmethod
    def unscale_gradients() -> None:
        return None


def on(device: str, make: Callable[[], Any]) -> Any:
    """A network with random weights, made on its device."""
    with torch.device(device):
        return make()


def frozen(make: Callable[[], Any], device: str) -> Any:
    """A network with random weights in evaluation mode, without gradients."""
    return on(device, make).to(device).eval().requires_grad_(False)


def on_device(faces: int, shape: tuple[int, ...], device: str) -> DeviceLatents:
    """Latents of a split and of its mirror images, as training holds them."""
    mean, logvar = (torch.zeros(faces, 2, *shape, dtype=torch.float16, device=device) for _ in range(2))
    return DeviceLatents(mean, logvar, torch.arange(faces, device=device), 1.0)
