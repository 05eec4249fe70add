"""Foundation features: each architecture at full size with random weights, MiniLM with its own."""

import json
import shutil
import wave

import numpy as np
import pytest
import torch
import transformers
from facetory.data.mosei.csd import STRINGS, Stream, open_csd
from facetory.data.mosei.extract import extract_features
from facetory.data.mosei.extract_audio import read_wave, speech_features
from facetory.data.mosei.extract_text import load_tokenizer, word_features, words_of
from facetory.data.mosei.extract_video import frames_of, picture_features
from facetory.data.mosei.foundation import foundation, foundations, missing_features, weights_folder, width_of
from facetory.data.mosei.frozen import in_windows, load
from facetory.data.mosei.spec import CorpusSpec, ExtractionSpec
from facetory.data.mosei.stage import index_corpus
from facetory.data.mosei.synthetic import write_corpus
from facetory.pipeline.files import FacetoryError, read_json
from facetory.rehearsal.foundations import TOKENIZERS, save_foundation
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

SYNTHETIC = CorpusSpec(dataset="synthetic_mosei", videos=1, segments=1, words=6)
PLACED = CorpusSpec(dataset="cmu_mosei")


def place_corpus(data_root, seconds=2.5):
    """The files of one video where CMU-MOSEI's would lie, its sound and its pictures."""
    source = data_root / "mosei"
    paths = write_corpus(SYNTHETIC, source, {})
    with open_csd(paths["labels"], 7) as csd:
        (video,) = csd.videos
    (source / "WAV_16000").mkdir()
    tone = np.sin(2 * np.pi * 220 * np.arange(int(16000 * seconds)) / 16000)
    save_wave(source / "WAV_16000" / f"{video}.wav", (8000 * tone).astype("<i2"))
    for second in ("0", "0.5", "2"):
        path = source / "frames" / video / f"{second}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((120, 160, 3), 40, np.uint8)).save(path)
    return video


def save_wave(path, samples, rate=16000, channels=1):
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(samples.tobytes())


def extracted(folder):
    with open_csd(folder / "features.csd") as csd:
        return {video: csd.read(video) for video in csd.videos}


@pytest.fixture
def data_root(tmp_path):
    yield tmp_path / "data"
    shutil.rmtree(tmp_path / "data", ignore_errors=True)


@pytest.mark.parametrize("name", ["roberta", "bert", "hubert", "wav2vec2", "clip"])
def test_a_network_of_full_size_describes_a_video(name, data_root, tmp_path):
    model = foundation(name)
    video = place_corpus(data_root)
    assert "not placed" in missing_features(name, model.modality, "cmu_mosei", data_root)
    save_foundation(name, data_root)
    assert missing_features(name, model.modality, "cmu_mosei", data_root) is None
    index_corpus(PLACED, tmp_path / "corpus", data_root)
    spec = ExtractionSpec(corpus=PLACED, modality=model.modality, features=name)
    extract_features(spec, tmp_path / "corpus/manifest.json", data_root, tmp_path / "out")

    stream = extracted(tmp_path / "out")[video]
    assert stream.features.shape == (len(stream.intervals), model.width)
    assert stream.features.dtype == np.float32 and np.isfinite(stream.features).all()
    if model.modality == "text":
        with open_csd(data_root / "mosei/language/CMU_MOSEI_TimestampedWords.csd", 1, STRINGS) as csd:
            words, spans = csd.read(video)
        np.testing.assert_array_equal(stream.intervals, spans[words[:, 0] != b"sp"])
        assert len(np.unique(stream.features, axis=0)) == len(stream.features)
    elif model.modality == "audio":
        np.testing.assert_allclose(stream.intervals[:, 0], np.arange(25) / 10)
        np.testing.assert_allclose(np.diff(stream.intervals), 0.1)
    else:
        np.testing.assert_allclose(stream.intervals, [[0, 0.5], [0.5, 1], [2, 2.5]])
        np.testing.assert_allclose(stream.features[0], stream.features[2], atol=1e-4)
    record = read_json(tmp_path / "out/manifest.json")
    assert record["status"] == "extracted" and record["left_out"] == [] and not record["synthetic"]
    assert record["rows"] == len(stream.features)
    assert any("weights" in path for path in record["inputs"])


def test_minilm_reads_the_words_of_a_synthetic_corpus(tmp_path):
    index_corpus(SYNTHETIC, tmp_path / "corpus", tmp_path)
    spec = ExtractionSpec(corpus=SYNTHETIC, modality="text", features="minilm")
    extract_features(spec, tmp_path / "corpus/manifest.json", tmp_path, tmp_path / "a")
    extract_features(spec, tmp_path / "corpus/manifest.json", tmp_path, tmp_path / "b")
    (stream,) = extracted(tmp_path / "a").values()
    assert stream.features.shape[1] == width_of("minilm") == 384
    assert (tmp_path / "a/features.csd").read_bytes() == (tmp_path / "b/features.csd").read_bytes()
    assert read_json(tmp_path / "a/manifest.json")["synthetic"]


@pytest.fixture(scope="module")
def minilm():
    model = foundation("minilm")
    return load(model, "data"), load_tokenizer(model, "data")


def test_minilm_knows_which_words_are_near(minilm):
    def cosine(a, b):
        a, b = (word_features(*minilm, [word])[0][0] for word in (a, b))
        return a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    for word, near, far in [("happy", "joyful", "table"), ("angry", "furious", "paper")]:
        assert cosine(word, near) > cosine(word, far) + 0.2


def test_a_words_features_are_the_mean_of_its_tokens_in_their_sentence(minilm):
    network, tokenizer = minilm
    features, which = word_features(network, tokenizer, ["an", "sp", "unhappiest", "", "day"])
    assert which.tolist() == [0, 2, 4]
    ids = tokenizer("an unhappiest day", return_tensors="pt")
    with torch.no_grad():
        hidden = network(**ids).last_hidden_state[0, 1:-1].numpy()
    pieces = tokenizer.tokenize("unhappiest")
    assert len(pieces) > 1 and len(hidden) == 2 + len(pieces)
    expected = np.stack([hidden[0], hidden[1:-1].mean(0), hidden[-1]])
    np.testing.assert_allclose(features, expected, atol=1e-5)
    assert word_features(network, tokenizer, ["sp"])[0].shape == (0, 384)


@pytest.mark.parametrize(
    ("name", "pieces"), [("roberta", ["Ġa", "Ġf", "o", "o"]), ("bert", ["a", "f", "##o", "##o"])]
)
def test_words_are_tokenised_as_within_a_sentence(name, pieces, data_root):
    folder = weights_folder(foundation(name), data_root)
    TOKENIZERS[name](folder)
    tokenizer = load_tokenizer(foundation(name), data_root)
    encoded = tokenizer(["a", "foo"], is_split_into_words=True, add_special_tokens=False)
    assert tokenizer.convert_ids_to_tokens(encoded["input_ids"]) == pieces
    assert encoded.word_ids() == [0, 1, 1, 1]
    assert None not in (tokenizer.cls_token_id, tokenizer.sep_token_id)


def test_a_long_transcript_is_read_whole(minilm):
    words = [f"{a}{b}o" for a in "abcdefghijklmnopqrst" for b in "abcdefghijklmnopqrst"]
    features, which = word_features(*minilm, words, batch_size=2)
    assert len(features) == len(which) == 400 and np.isfinite(features).all()


@given(st.integers(1, 60), st.integers(1, 9), st.integers(0, 5), st.integers(1, 4))
def test_windows_give_each_position_its_own_state_with_context(total, core, margin, batch_size):
    def encode(begins, width):
        assert len(begins) <= batch_size and all(0 <= begin <= total - width for begin in begins)
        places = np.array(begins)[:, None] + np.arange(width)
        before = places - np.array(begins)[:, None]
        return np.stack([places, before, width - 1 - before], -1)

    place, before, after = in_windows(total, core, margin, batch_size, encode).T
    np.testing.assert_array_equal(place, np.arange(total))
    assert (before >= np.minimum(margin, place)).all()
    assert (after >= np.minimum(margin, total - 1 - place)).all()


def small_hubert():
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.HubertConfig(
        **size, conv_dim=[8] * 7, num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2
    )
    return transformers.HubertModel(config).eval()


def test_a_row_of_speech_is_the_mean_of_five_hidden_states():
    network, samples = small_hubert(), np.random.default_rng(0).normal(size=16000).astype(np.float32)
    features, intervals = speech_features(network, samples)
    assert features.shape == (10, 16) and intervals[-1].tolist() == pytest.approx([0.9, 1.0])
    normal = np.pad((samples - samples.mean()) / samples.std(), (0, 80)).astype(np.float32)
    with torch.no_grad():
        hidden = network(torch.from_numpy(normal)[None]).last_hidden_state[0].numpy()
    np.testing.assert_allclose(features, hidden.reshape(10, 5, 16).mean(1), atol=1e-4)
    np.testing.assert_allclose(speech_features(network, 3 * samples + 1)[0], features, atol=1e-3)
    assert speech_features(network, samples[:1599])[0].shape == (0, 16)


def test_long_speech_is_described_to_its_end():
    samples = np.random.default_rng(0).normal(size=16000 * 25).astype(np.float32)
    features, intervals = speech_features(small_hubert(), samples, batch_size=2)
    assert len(features) == 250 and intervals[-1, 1] == pytest.approx(25)


@pytest.mark.parametrize(("rate", "channels", "message"), [(44100, 1, "44100 Hz"), (16000, 2, "2 channels")])
def test_another_kind_of_recording_is_refused(tmp_path, rate, channels, message):
    save_wave(tmp_path / "a.wav", np.zeros(100, "<i2"), rate, channels)
    with pytest.raises(FacetoryError, match=rf"a\.wav.*{message}.*ffmpeg"):
        read_wave(tmp_path / "a.wav")


def test_samples_are_read_exactly_and_broken_recordings_refused(tmp_path):
    save_wave(tmp_path / "a.wav", np.array([-(2**15), 0, 2**14], "<i2"))
    assert read_wave(tmp_path / "a.wav").tolist() == [-1, 0, 0.5]
    whole = (tmp_path / "a.wav").read_bytes()
    for content in (b"", b"no recording", whole[:20], whole[:-2]):
        (tmp_path / "b.wav").write_bytes(content)
        with pytest.raises(FacetoryError, match=r"b\.wav"):
            read_wave(tmp_path / "b.wav")


def test_pictures_are_read_in_the_order_of_time(tmp_path):
    for name in ("10.jpg", "9.5.PNG", "2.jpeg", "notes.txt"):
        (tmp_path / name).touch()
    assert [second for second, _ in frames_of(tmp_path)] == [2, 9.5, 10]
    assert frames_of(tmp_path / "absent") == []
    (tmp_path / "10.0.jpg").touch()
    with pytest.raises(FacetoryError, match="second picture of second 10"):
        frames_of(tmp_path)


def test_pictures_go_through_clip_as_its_processor_says(tmp_path):
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.CLIPVisionConfig(**size, image_size=32, patch_size=16, projection_dim=8)
    network = transformers.CLIPVisionModelWithProjection(config).eval()
    crop = {"height": 32, "width": 32}
    processor = transformers.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=crop)
    Image.new("RGB", (64, 64), (255, 0, 0)).save(tmp_path / "0.png")
    features, intervals = picture_features(network, processor, [(0.0, tmp_path / "0.png")])
    mean, std = np.array(processor.image_mean), np.array(processor.image_std)
    red = torch.tensor((np.array([1, 0, 0]) - mean) / std, dtype=torch.float32)
    with torch.no_grad():
        expected = network(red[None, :, None, None].expand(1, 3, 32, 32)).image_embeds.numpy()
    np.testing.assert_allclose(features, expected, atol=1e-5)
    assert intervals.tolist() == [[0, 1]]


def test_what_is_missing_is_named(data_root):
    assert set(foundations()) == {"roberta", "bert", "minilm", "hubert", "wav2vec2", "clip"}
    assert "hf download facebook/hubert-base-ls960" in missing_features(
        "hubert", "audio", "cmu_mosei", data_root
    )
    assert missing_features("minilm", "text", "synthetic_mosei", data_root) is None
    assert "to be placed as" in missing_features("minilm", "text", "cmu_mosei", data_root)
    for name in ("config.json", "model.safetensors"):
        folder = weights_folder(foundation("hubert"), data_root)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    assert "synthetic sequences do not have" in missing_features(
        "hubert", "audio", "synthetic_mosei", data_root
    )
    with pytest.raises(FacetoryError, match="reads audio, not text"):
        missing_features("hubert", "text", "cmu_mosei", data_root)
    with pytest.raises(FacetoryError, match="Did you mean 'hubert'"):
        missing_features("huber", "audio", "cmu_mosei", data_root)


def test_an_extraction_never_goes_on_without_what_it_needs(data_root, tmp_path):
    place_corpus(data_root)
    index_corpus(PLACED, tmp_path / "corpus", data_root)
    spec = ExtractionSpec(corpus=PLACED, modality="audio", features="hubert")
    with pytest.raises(FacetoryError, match="not placed"):
        extract_features(spec, tmp_path / "corpus/manifest.json", data_root, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("fault", ["a tensor short", "truncated", "another size", "code"])
def test_weights_that_are_not_whole_are_refused(fault, data_root):
    model = foundation("hubert")
    folder = weights_folder(model, data_root)
    network = small_hubert()
    network.save_pretrained(folder)
    assert load(model, data_root).config.hidden_size == 16
    path = folder / "model.safetensors"
    if fault == "a tensor short":
        state = {k: v for k, v in network.state_dict().items() if "feature_projection.projection" not in k}
        network.save_pretrained(folder, state_dict=state)
    elif fault == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif fault == "another size":
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 24}))
    else:
        path.unlink()
        torch.save({"weight": print}, folder / "pytorch_model.bin")
    with pytest.raises(FacetoryError, match="hubert-base-ls960"):
        load(model, data_root)


def test_words_are_text(tmp_path):
    stream = Stream(np.array([[b"caf\xc3\xa9"], [b"sp"], [b"x"]]), np.zeros((2, 2)))
    assert words_of("v", stream, tmp_path)[0] == ["café", "sp"]
    with pytest.raises(FacetoryError, match="no text"):
        words_of("v", Stream(np.array([[1.0]]), np.zeros((1, 2))), tmp_path)


def test_a_corpus_without_recordings_of_its_videos_is_an_error(data_root, tmp_path):
    place_corpus(data_root)
    index_corpus(PLACED, tmp_path / "corpus", data_root)
    small_hubert().save_pretrained(weights_folder(foundation("hubert"), data_root))
    (recording,) = (data_root / "mosei/WAV_16000").iterdir()
    recording.rename(recording.with_name("other.wav"))
    spec = ExtractionSpec(corpus=PLACED, modality="audio", features="hubert")
    with pytest.raises(FacetoryError, match="Check the files' names"):
        extract_features(spec, tmp_path / "corpus/manifest.json", data_root, tmp_path / "out")
    assert not (tmp_path / "out/features.csd").exists()
