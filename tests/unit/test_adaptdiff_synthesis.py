"""Synthetic faces: the same whatever the shards and interruptions, replaced where no face is, gathered."""

import numpy as np
import pytest
import torch
from facetory.adaptdiff import generation, shards, synthesis
from facetory.adaptdiff.gather import about as said_of
from facetory.adaptdiff.gather import gather
from facetory.adaptdiff.identities import read_pool
from facetory.adaptdiff.replacement import faces_of
from facetory.adaptdiff.samplers import visited
from facetory.adaptdiff.shards import candidates, identities_of
from facetory.adaptdiff.spec import Guidance, IdentitiesSpec, IdentitySampler
from facetory.adaptdiff.synthesis import drawer, synthesise
from facetory.diffusion.backbone import placed_vae
from facetory.faces.face_set import read_face_set
from facetory.pipeline.files import FacetoryError, read_json, write_json
from facetory.pipeline.randomness import normal, stream_key
from PIL import Image
from safetensors.numpy import load_file
from synthesis_street import FACTOR, LATENT, PX, generator, network, spec, street


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return street(tmp_path_factory.mktemp("street"))


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(shards, "CHUNK", 2)
    monkeypatch.setattr(synthesis, "CHUNK", 2)


def drawn(inputs, folder, asked=None, shard="1/1"):
    synthesise(asked or spec(), **inputs, folder=folder, shard=shard)
    return load_file(folder / "images.safetensors")


@pytest.fixture(scope="module")
def whole(inputs, tmp_path_factory):
    return drawn(inputs, tmp_path_factory.mktemp("whole"))


def same(first, second):
    return set(first) == set(second) and all(np.array_equal(first[name], second[name]) for name in first)


def test_one_job_holds_every_identitys_images_in_order(whole):
    assert whole["identity"].tolist() == np.repeat(np.arange(9), 3).tolist()
    assert whole["image"].tolist() == [0, 1, 2] * 9
    assert len(np.unique(whole["images"].reshape(27, -1), axis=0)) == 27 and whole["images"].std() > 20


@pytest.mark.parametrize("sampler", ["ddpm", "unipc"])
def test_four_jobs_make_what_one_makes(sampler, inputs, tmp_path):
    asked = spec(sampler=IdentitySampler(method=sampler, steps=4))
    parts = [drawn(inputs, tmp_path / str(k), asked, f"{k}/4") for k in (1, 2, 3, 4)]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    assert same(joined, drawn(inputs, tmp_path / "whole", asked))


def test_killed_and_resumed_makes_what_an_undisturbed_run_makes(inputs, whole, tmp_path, monkeypatch):
    asked, drew = [], generation.draw

    def dies(spec, unet, decode, told, rows, *rest):
        if len(asked) == 5:
            raise KeyboardInterrupt
        asked.append(rows)
        return drew(spec, unet, decode, told, rows, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(generation, "draw", dies)
        with pytest.raises(KeyboardInterrupt):
            drawn(inputs, tmp_path)
    assert not (tmp_path / "images.safetensors").exists() and not (tmp_path / "manifest.json").exists()
    assert len(list((tmp_path / "parts").iterdir())) == 2  # a chunk is six rows, a batch four

    def counts(spec, unet, decode, told, rows, *rest):
        asked.append(rows)
        return drew(spec, unet, decode, told, rows, *rest)

    asked.clear()
    monkeypatch.setattr(generation, "draw", counts)
    assert same(drawn(inputs, tmp_path), whole)
    assert [rows[0] for rows in asked] == [(4, 0), (5, 1), (6, 0), (7, 1), (8, 0)]
    assert not (tmp_path / "parts").exists()


def test_what_another_seed_left_behind_is_not_taken_for_ones_own(inputs, whole, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(synthesis, "rmtree", lambda *_, **__: None)
        other = drawn(inputs, tmp_path, spec(seed=1))
    assert (tmp_path / "parts").exists() and not np.array_equal(other["images"], whole["images"])
    assert same(drawn(inputs, tmp_path), whole)


@pytest.mark.parametrize("rows", [1, 3, 16])
def test_the_batch_size_changes_an_image_by_rounding_at_most(rows, inputs, whole, tmp_path):
    found = drawn(inputs, tmp_path, spec(batch_rows=rows))
    assert np.abs(found["images"].astype(int) - whole["images"]).max() <= 1


@pytest.mark.parametrize("schedule", ["none", "constant", "linear", "reverse"])
def test_an_image_is_what_two_passes_for_it_alone_make(schedule, inputs):
    """DDPM by its formula, contexts projected at every step, p⁺ and p⁻ apart, one image at a time."""
    own = Guidance(schedule=schedule, w_max=0.8, negative="close")
    asked, unet, pool = spec(guidance=own), network(), read_pool(inputs["identities"])
    vae = placed_vae(inputs["backbone"])
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    alpha_bar = (1 - betas).cumprod(0)
    timesteps = visited(asked.sampler)
    for identity, image in ((4, 0), (5, 2)):
        key = torch.tensor([identity * 2**20 + image])

        def noise(purpose, t, key=key):
            count = int(np.prod(LATENT))
            return normal(stream_key(0, "adaptdiff synthesis", purpose), key, t, count).reshape(1, *LATENT)

        told = pool.contexts[[identity, pool.partners["close"][identity]]]
        positive, negative = torch.from_numpy(told).split(1)
        x = noise("start", 0)
        with torch.inference_mode():
            for t, after in zip(timesteps, [*timesteps[1:], None], strict=True):
                w = {"none": 0, "constant": 0.8, "linear": 0.8 * (1 - t / 1000), "reverse": 0.8 * t / 1000}
                time, w = torch.tensor([t]), w[schedule]
                noise_prediction = (1 + w) * unet(x, time, positive) - w * unet(x, time, negative)
                beta = 1 - alpha_bar[t] / (1 if after is None else alpha_bar[after])
                x = (x - beta / (1 - alpha_bar[t]).sqrt() * noise_prediction) / (1 - beta).sqrt()
                if t > 0:
                    x = x + beta.sqrt() * noise("step", t)
            plain = ((vae.decode(x / FACTOR).sample.clamp(-1, 1) + 1) * 127.5).round().numpy()
        draw = drawer(asked, inputs["generator"], pool, inputs["backbone"])([4, 5])
        assert np.abs(draw([(identity, image)]).astype(int) - plain).max() <= 1


def test_without_guidance_the_network_sees_no_negative(inputs, monkeypatch):
    """Rows of a pass: four are filled up; twice as many where w is above 0."""
    seen = []
    pool = read_pool(inputs["identities"])
    for schedule in ("none", "linear", "reverse"):
        asked = spec(guidance=Guidance(schedule=schedule))
        unet, count = network(), []
        monkeypatch.setattr(unet, "forward", lambda x, t, c, n=count: n.append(len(x)) or x * 0.1)
        told = generation.tell(unet, pool.contexts[:2], pool.negatives("far")[:2], [0, 1], 2)
        generation.draw(asked, unet, lambda z: z[:, :3], told, [(0, 0)], LATENT)
        seen.append(count)
    assert seen == [[4] * 6, [8] * 6, [8] * 5 + [4]]


def test_whom_an_image_is_led_away_from_shows(inputs):
    paths = inputs["generator"], read_pool(inputs["identities"]), inputs["backbone"]
    faces = {
        negative: drawer(spec(guidance=Guidance(negative=negative)), *paths)([0])([(0, 0)])
        for negative in ("far", "close", "null")
    }
    for first, second in (("far", "close"), ("close", "null"), ("null", "far")):
        assert (faces[first] != faces[second]).mean() > 0.2


def numbered(rows):
    """Images that say in their pixels whose they are and which."""
    return np.array([np.full((3, PX, PX), [[[16 * i + k]]]) for i, k in rows], np.uint8)


def test_images_without_a_face_are_replaced_by_the_next_numbers(monkeypatch):
    """0 has all faces; 1 lacks two, and one of their replacements; 2 needs all the spare ones."""
    lacking, asked = {(1, 0), (1, 2), (1, 3), (2, 0), (2, 1), (2, 3)}, []

    def detector(images, px, alignment):
        found = [divmod(int(image[0, 0, 0]), 16) not in lacking for image in images]
        return images, np.array(found)

    def draw(rows):
        asked.extend(rows)
        return numbered(rows)

    monkeypatch.setattr("facetory.faces.template.align_faces", detector)
    faces = faces_of(spec(images=3, spare=3), [0, 1, 2], draw)
    kept = list(zip(faces.identity.tolist(), faces.image.tolist(), strict=True))
    assert kept == [(0, 0), (0, 1), (0, 2), (1, 1), (1, 4), (1, 5), (2, 2), (2, 4), (2, 5)]
    assert np.array_equal(faces.images, numbered(kept))
    assert sorted(asked) == [(0, 0), (0, 1), (0, 2), *((1, k) for k in range(6)), *((2, k) for k in range(6))]
    assert faces.counts(3) == {"drawn": 15, "found": 9, "replaced": 6, "dropped": 0}
    few = faces_of(spec(images=3, spare=1), [0, 1, 2], numbered)
    assert few.complete(3) == [0] and few.counts(3)["dropped"] == 2
    assert few.of([0]).image.tolist() == [0, 1, 2]


def test_identities_of_shards_tile_what_is_drawn():
    for n in (1, 3, 4, 20):
        ranges = [identities_of(f"{k}/{n}", 11) for k in range(1, n + 1)]
        assert [i for own in ranges for i in own] == list(range(11))
        assert max(map(len, ranges)) - min(map(len, ranges)) <= 1
    for wrong in ("0/4", "5/4", "1of4", "1/0"):
        with pytest.raises(FacetoryError, match="k from 1 to n"):
            identities_of(wrong, 11)


def test_with_a_detector_a_few_more_identities_are_drawn():
    """10,050 of 10,000 as published, never more than the pool has."""
    pool = IdentitiesSpec(count=10_050, size=16)
    assert candidates(spec(pool=pool, identities=10_000, alignment="mtcnn")) == 10_050
    assert candidates(spec(pool=pool, identities=1000, alignment="mtcnn")) == 1005
    assert candidates(spec(pool=pool, identities=1000, alignment="none")) == 1000
    with pytest.raises(FacetoryError, match="12 identities of a pool of 11"):
        candidates(spec(identities=12))


def test_a_generator_that_failed_draws_nothing(inputs, tmp_path):
    write_json(tmp_path / "generator" / "manifest.json", {"status": "failed", "reason": "training diverged"})
    synthesise(spec(), **inputs | {"generator": tmp_path / "generator"}, folder=tmp_path)
    about = read_json(tmp_path / "manifest.json")
    assert (about["status"], about["reason"]) == ("not_run", "its generator failed: training diverged")
    gather(spec(), [tmp_path], tmp_path / "set")
    assert read_json(tmp_path / "set" / "manifest.json")["status"] == "not_run"


def test_latents_that_blew_up_are_a_result(inputs, tmp_path):
    mad = inputs | {"generator": generator(tmp_path / "generator", scale=1e12)}
    synthesise(spec(), **mad, folder=tmp_path / "1of1")
    about = read_json(tmp_path / "1of1" / "manifest.json")
    assert about["status"] == "failed" and "latents of identities 0 to 1 are not finite" in about["reason"]
    gather(spec(), [tmp_path / "1of1"], tmp_path)
    assert read_json(tmp_path / "manifest.json")["status"] == "failed"
    with pytest.raises(FacetoryError, match="not finite"):
        read_face_set(tmp_path / "manifest.json")


def test_a_pool_that_is_not_the_specs_is_refused(inputs):
    paths = inputs["generator"], read_pool(inputs["identities"]), inputs["backbone"]
    with pytest.raises(FacetoryError, match="the pool holds 11 identities of 16 components; the spec has 12"):
        drawer(spec(pool=IdentitiesSpec(count=12, size=16)), *paths)


@pytest.fixture
def detected(monkeypatch):
    """Draw images that are numbered, and find a face in all but some."""

    def lacking(rows_without):
        def align(images, px, alignment):
            rows = [divmod(int(image[0, 0, 0]), 16) for image in images]
            return images, np.array([row not in rows_without for row in rows])

        monkeypatch.setattr("facetory.faces.template.align_faces", align)
        monkeypatch.setattr(synthesis, "drawer", lambda *_, **__: lambda chunk: numbered)

    return lacking


def gathered(inputs, root, shards=3, **changes):
    asked = spec(**{"alignment": "mtcnn", "pool": IdentitiesSpec(count=8, size=16)} | changes)
    folders = [root / "shards" / f"{k}of{shards}" for k in range(1, shards + 1)]
    for k, folder in enumerate(folders, 1):
        synthesise(asked, **inputs, folder=folder, shard=f"{k}/{shards}")
    gather(asked, folders[::-1], root)
    return read_json(root / "manifest.json")


@pytest.mark.parametrize(("identities", "cut"), [(7, False), (6, False), (5, True)])
def test_a_set_is_the_first_complete_identities(identities, cut, inputs, tmp_path, detected):
    """Of one more than are asked for, 1 has too few faces and 4 a replacement; or, of five, none too few."""
    detected({(4, 0)} | (set() if cut else {(1, k) for k in range(5)}))
    record = gathered(inputs, tmp_path, identities=identities)
    kept = [i for i in range(8) if cut or i != 1][:identities]
    faces = read_face_set(tmp_path / "manifest.json")
    numbers = np.array(kept)[faces.identity]
    assert faces.names == [f"{i:05d}" for i in kept]
    expected = numbered(zip(numbers, faces.image, strict=True))
    assert np.array_equal(faces.pixels(range(len(numbers))), expected)
    assert faces.image[numbers == 4].tolist() == [1, 2, 3]
    assert record["counts"]["dropped"] == (0 if cut else 1) and record["counts"]["replaced"] >= 1
    assert (tmp_path / "cut.safetensors").exists() == cut
    assert faces.about["synthetic"] is True and "AdaptDiff (w = 1, far), DDPM 6" in faces.about["title"]
    assert Image.open(tmp_path / "contact_sheet.png").size[1] > 112 * identities


def test_a_set_falls_under_the_terms_of_what_its_generator_learnt_from():
    asked = spec(identities=2)
    learnt = asked.generator.model_copy(update={"dataset": "ffhq"})
    licence = said_of(asked.model_copy(update={"generator": learnt}))["licence"]
    assert "not intended for the development or improvement of face recognition" in licence


def test_too_few_complete_identities_are_a_result(inputs, tmp_path, detected):
    detected({(i, k) for i in (1, 2) for k in range(5)})
    record = gathered(inputs, tmp_path, identities=6)
    assert record["status"] == "failed" and "of 7 identities 5 have 3 images" in record["reason"]
    assert not (tmp_path / "contact_sheet.png").exists()


def test_shards_that_do_not_make_a_whole_are_refused(inputs, tmp_path, detected):
    detected(set())
    asked = spec(alignment="mtcnn", identities=7, pool=IdentitiesSpec(count=8, size=16))
    gathered(inputs, tmp_path, identities=7)
    first, second, third = (tmp_path / "shards" / f"{k}of3" for k in (1, 2, 3))
    with pytest.raises(FacetoryError, match="begins at identity 5, the shards before it end at 2"):
        gather(asked, [first, third], tmp_path / "gap")
    with pytest.raises(FacetoryError, match="the shards end at identity 5 of 8"):
        gather(asked, [first, second], tmp_path / "end")
    with pytest.raises(FacetoryError, match="the shard is of another request"):
        gather(asked.model_copy(update={"seed": 1}), [first, second, third], tmp_path / "other")
    (second / "images.safetensors").write_bytes(b"spoilt")
    with pytest.raises(FacetoryError, match="differs from the hash in its manifest"):
        gather(asked, [first, second, third], tmp_path / "spoilt")
