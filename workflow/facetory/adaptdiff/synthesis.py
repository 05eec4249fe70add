"""The synthesis stage: the faces of a shard's identities (AdaptDiff, Experimental Setup)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

import numpy as np

from facetory.adaptdiff.identities import Pool, read_pool
from facetory.adaptdiff.replacement import Faces, Rows, faces_of
from facetory.adaptdiff.shards import CHUNK, candidates, chunks_of, identities_of, read_chunk, write_chunk
from facetory.adaptdiff.spec import SynthesisSpec
from facetory.pipeline.files import FacetoryError, read_json, sha256_of
from facetory.pipeline.fingerprint import fingerprint
from facetory.pipeline.provenance import manifest

if TYPE_CHECKING:
    from facetory.adaptdiff.unet import IdentityUNet


def synthesise(
    spec: SynthesisSpec,
    generator: Path | str,
    identities: Path | str,
    backbone: Path | str,
    folder: Path | str,
    shard: str = "1/1",
    device: str = "cpu",
) -> None:
    """Draw the faces of shard "k/n": images.safetensors and manifest.json in ``folder``.

    ``generator`` is the trained model's folder, ``identities`` the pool's file, ``backbone`` the first
    stage's manifest.  The file is one of a face set (`faces.face_set`) and holds ``spec.images`` faces of
    every identity that has as many; the manifest names these (``complete``) and counts the rest.  Finished
    chunks of identities lie in ``folder``/parts until the shard is whole, and a run that was killed goes on
    from them.  Of a generator that failed nothing is drawn (status "not_run"); latents that leave the finite
    numbers give status "failed".
    """
    import torch

    from facetory.adaptdiff.generation import SamplesDiverged
    from facetory.faces.face_set import write_face_file

    folder, generator = Path(folder), Path(generator)
    result = folder / "images.safetensors"
    result.unlink(missing_ok=True)
    own = identities_of(shard, candidates(spec))
    trained = read_json(generator / "manifest.json")
    inputs = [identities, backbone, *(generator / file for file in trained.get("outputs", {}))]
    made_by = ("adaptdiff synthesise", spec.canonical(), ["adaptdiff.synthesis"], inputs, device, spec.seed)
    with manifest(folder / "manifest.json", *made_by) as record:
        record |= {"shard": shard, "range": [own.start, own.stop]}
        if trained["status"] != "trained":
            record |= {"status": "not_run", "reason": f"its generator failed: {trained['reason']}"}
            return
        torch.set_num_threads(spec.threads)
        try:
            draw = drawer(spec, generator, read_pool(identities), backbone, device)
            faces = in_chunks(spec, own, draw, folder / "parts", fingerprint(record), shard)
        except SamplesDiverged as error:
            record |= {"status": "failed", "reason": str(error)}
            return
        complete = faces.complete(spec.images)
        kept = faces.of(complete)
        names = {identity: name_of(identity) for identity in complete}
        found = np.ones(len(kept.images), bool)
        write_face_file(result, kept.images, kept.identity, kept.image, found, names)
        record |= {
            "status": "generated",
            "complete": complete,
            "counts": faces.counts(spec.images),
            "outputs": {result.name: sha256_of(result)},
        }
    rmtree(folder / "parts", ignore_errors=True)


def name_of(identity: int) -> str:
    """A synthetic identity's name, which sorts as its number."""
    return f"{identity:05d}"


def in_chunks(
    spec: SynthesisSpec,
    identities: range,
    draw: Callable[[Sequence[int]], Callable[[Rows], np.ndarray]],
    parts: Path,
    key: str,
    shard: str,
) -> Faces:
    """The faces of all identities, a chunk at a time; chunks that ``parts`` holds under the key are read.

    draw(identities of a chunk) gives the function from rows to images.
    """
    from facetory.training.progress import shown

    done: list[Faces] = []
    with shown(f"faces {shard}", 0, max(1, len(identities))) as show:
        for chunk in chunks_of(identities):
            faces = read_chunk(_part(parts, chunk), key)
            if faces is None:
                faces = faces_of(spec, chunk, draw(chunk))
                write_chunk(_part(parts, chunk), faces, key)
            done.append(faces)
            show(chunk.stop - identities.start, {"found": float(sum(len(part.images) for part in done))})
    return Faces.joined(done, spec.px)


def drawer(
    spec: SynthesisSpec, generator: Path | str, pool: Pool, backbone: Path | str, device: str = "cpu"
) -> Callable[[Sequence[int]], Callable[[Rows], np.ndarray]]:
    """The function that, told a chunk's identities, gives the function from its rows to images."""
    from facetory.adaptdiff.generator import load_generator
    from facetory.diffusion.backbone import placed_vae

    unet, about = load_generator(generator, device)
    return drawer_of(spec, unet, about, pool, placed_vae(backbone, device), device)


def drawer_of(
    spec: SynthesisSpec, unet: IdentityUNet, about: dict[str, Any], pool: Pool, vae: Any, device: str = "cpu"
) -> Callable[[Sequence[int]], Callable[[Rows], np.ndarray]]:
    """As `drawer`, of what is loaded already; ``about`` has the latents' shape and scaling factor."""
    from facetory.adaptdiff import generation

    _check_pool(spec, pool, unet)
    negatives = pool.negatives(spec.guidance.negative)

    def decode(z: Any) -> Any:
        return vae.decode(z / about["scaling_factor"]).sample

    def told(identities: Sequence[int]) -> Callable[[Rows], np.ndarray]:
        chosen = list(identities)
        contexts = generation.tell(unet, pool.contexts[chosen], negatives[chosen], chosen, CHUNK)
        return lambda rows: generation.draw(spec, unet, decode, contexts, rows, about["latent"], device)

    return told


def _check_pool(spec: SynthesisSpec, pool: Pool, unet: IdentityUNet) -> None:
    wanted, found = (spec.pool.count, unet.architecture.context_size), pool.contexts.shape
    if found != wanted:
        raise FacetoryError(
            f"{spec.id}: the pool holds {found[0]} identities of {found[1]} components; the spec has "
            f"{wanted[0]}, the generator's contexts {wanted[1]}. Draw the identities that the spec names."
        )


def _part(parts: Path, chunk: range) -> Path:
    return parts / f"{chunk.start}-{chunk.stop}.safetensors"
