"""Text encoders: deterministic, equal in any batch, padded with nothing, never cut in silence."""

import json

import pytest
import torch
from facetory.diffusion import text
from facetory.pipeline.files import FacetoryError

PROMPTS = [
    "A photo of a disgusted facial expression.",
    "A photo of a facial expression.",
    "",
    "A photo of an angrily surprised facial expression.",
]


@pytest.fixture(scope="module")
def tokens():
    return text.embed(PROMPTS, "minilm")


def test_shape_and_scale(tokens):
    assert tokens.shape == (4, 24, 384) and tokens.dtype == torch.float32
    counts = text.token_count(PROMPTS)
    assert counts == [10, 9, 2, 11]
    written = torch.cat([tokens[row, :count] for row, count in enumerate(counts)])
    assert written.std().item() == pytest.approx(1.0, abs=0.1)


def test_places_beyond_the_prompt_are_zero(tokens):
    for row, count in enumerate(text.token_count(PROMPTS)):
        assert not tokens[row, count:].any() and bool(tokens[row, :count].any(1).all())


def test_the_same_prompt_gives_the_same_tokens(tokens):
    assert torch.equal(tokens, text.embed(PROMPTS, "minilm"))
    again = text.embed(PROMPTS[::-1], "minilm", batch_size=1).flip(0)
    torch.testing.assert_close(again, tokens, rtol=1e-4, atol=1e-4)


def test_prompts_differ(tokens):
    flat = tokens.flatten(1)
    assert torch.cdist(flat, flat).fill_diagonal_(torch.inf).min() > 5


def test_a_long_prompt_is_named():
    with pytest.raises(FacetoryError, match=r"prompt 'very .*: 202 tokens, minilm takes 24"):
        text.embed(["very " * 200], "minilm")


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    """A snapshot with a small CLIP text encoder and a real byte-pair tokenizer, as SD's are laid out."""
    from transformers import CLIPTextConfig, CLIPTextModel

    folder = tmp_path_factory.mktemp("snapshot")
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = letters + [letter + "</w>" for letter in letters] + [".</w>", "<|startoftext|>", "<|endoftext|>"]
    (folder / "tokenizer").mkdir()
    vocabulary = {word: index for index, word in enumerate(words)}
    (folder / "tokenizer" / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "tokenizer" / "merges.txt").write_text("#version: 0.2\n")
    torch.manual_seed(0)
    config = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        bos_token_id=vocabulary["<|startoftext|>"], eos_token_id=vocabulary["<|endoftext|>"],
        pad_token_id=vocabulary["<|endoftext|>"],
    )  # fmt: skip
    CLIPTextModel(config).save_pretrained(folder / "text_encoder")
    return folder


def test_clip_comes_from_the_snapshot(snapshot):
    tokens = text.embed(["a photo.", ""], "clip", snapshot)
    assert tokens.shape == (2, 77, 32)
    assert torch.equal(tokens, text.embed(["a photo.", ""], "clip", snapshot))
    assert not torch.equal(tokens[0], tokens[1])
    with pytest.raises(FacetoryError, match="clip takes 77"):
        text.embed(["a " * 90], "clip", snapshot)
    assert torch.equal(tokens[0, 0], tokens[1, 0])  # the mark of the start sees no later token


def test_clip_names_a_snapshot_without_text_encoder(tmp_path):
    with pytest.raises(FacetoryError, match="no text_encoder/"):
        text.embed(["a"], "clip", tmp_path)
