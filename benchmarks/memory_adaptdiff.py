"""AdaptDiff's stages: contexts, the generator, synthesis, and face recognition."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from facetory.adaptdiff import generation
from facetory.adaptdiff.architectures import architecture as identity_architecture
from facetory.adaptdiff.generator import new_generator
from facetory.adaptdiff.learnt import Learnt
from facetory.adaptdiff.shards import CHUNK
from facetory.adaptdiff.spec import IdentitySampler
from facetory.adaptdiff.task import IdentityNoisePrediction
from facetory.adaptdiff.train import schedule_of as generator_schedule
from facetory.diffusion.schedule import alphas_cumprod
from facetory.diffusion.vq import VQ_F4
from facetory.recognition import face_model
from facetory.recognition import identity as identities
from facetory.recognition.cosface import Prototypes
from facetory.recognition.face_task import FaceRecognition
from facetory.recognition.face_train import schedule_of as face_schedule
from facetory.recognition.iresnet import iresnet
from memory_encoders import embed, encode, first_stage
from memory_stage import FACES, Stage, frozen, on, on_device, partial_of, study, trained
from memory_tracker import Prepared
from torch import nn


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
    describe = face_model.describing(network, spec.px, device, batch)
    images = np.zeros((batch, 3, spec.px, spec.px), np.uint8)
    return Prepared({spec.network: network}, lambda number: describe(images))
