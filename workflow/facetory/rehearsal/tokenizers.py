"""Tokenizers of the real sizes, in the real files, that know few words and cut the others into letters."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from facetory.data.mosei.spoken import vocabulary
from facetory.pipeline.files import read_json, write_json, write_text

CLIP_WORDS, BERT_WORDS, ROBERTA_WORDS = 49_408, 30_522, 50_265
"""Numbers of tokens."""
START, END = "<|startoftext|>", "<|endoftext|>"
BERT_SPECIAL = {role: f"[{role.upper()}]" for role in ("pad", "unk", "cls", "sep", "mask")}
ROBERTA_SPECIAL = {
    "bos": "<s>", "pad": "<pad>", "eos": "</s>", "unk": "<unk>",
    "mask": "<mask>", "cls": "<s>", "sep": "</s>",
}  # fmt: skip
SPACE = "Ġ"
"""The space in a byte-level vocabulary."""


def save_clip_tokenizer(folder: Path, size: int = CLIP_WORDS) -> None:
    """The four files of Stable Diffusion 2's tokenizer: ``size`` tokens, of which the last two are the marks.

    Bytes come first, then bytes that end a word, then merges; as there, "!" (0) pads, and one of the two
    configurations says otherwise.
    """
    letters = byte_letters()
    ends = [f"{letter}</w>" for letter in letters]
    merges = list(islice(idle_merges(letters), size - 2 * len(letters) - 2))
    tokens = [*letters, *ends, *("".join(pair) for pair in merges), START, END]
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "vocab.json", {token: index for index, token in enumerate(tokens)})
    write_text(folder / "merges.txt", "\n".join(["#version: 0.2", *map(" ".join, merges), ""]))
    marks = {"bos_token": _mark(START), "eos_token": _mark(END), "unk_token": _mark(END)}
    write_json(folder / "special_tokens_map.json", marks | {"pad_token": "!"})
    settings = {
        "add_prefix_space": False,
        "do_lower_case": True,
        "errors": "replace",
        "model_max_length": 77,
        "name_or_path": "stabilityai/stable-diffusion-2",
        "pad_token": END,
        "special_tokens_map_file": "./special_tokens_map.json",
        "tokenizer_class": "CLIPTokenizer",
    }
    typed = {role: {"__type": "AddedToken"} | mark for role, mark in marks.items()}
    write_json(folder / "tokenizer_config.json", settings | typed)


def save_bert_tokenizer(folder: Path, size: int = BERT_WORDS) -> None:
    """tokenizer.json and its configuration: pieces for the words of synthetic transcripts and for letters."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    pieces = [*ascii_lowercase, *(f"##{letter}" for letter in ascii_lowercase)]
    tokens = list(dict.fromkeys([*BERT_SPECIAL.values(), *words(), *pieces]))
    tokens += [f"[unused{index}]" for index in range(size - len(tokens))]
    numbered = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordPiece(numbered, unk_token=BERT_SPECIAL["unk"]))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()  # type: ignore[assignment]
    _save(tokenizer, folder, "BertTokenizer", BERT_SPECIAL)


def save_roberta_tokenizer(folder: Path, size: int = ROBERTA_WORDS) -> None:
    """tokenizer.json and its configuration: byte pairs, of which English meets those that begin a word."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    special, letters = list(dict.fromkeys(ROBERTA_SPECIAL.values())), byte_letters()
    begins = [(SPACE, letter) for letter in ascii_lowercase]
    left = size - len(special) - len(letters) - len(begins)
    merges = [*begins, *islice(idle_merges([x for x in letters if x != SPACE]), left)]
    tokens = [*special, *letters, *("".join(pair) for pair in merges)]
    numbered = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(numbered, merges, unk_token=ROBERTA_SPECIAL["unk"]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    _save(tokenizer, folder, "RobertaTokenizer", ROBERTA_SPECIAL)


def words() -> list[str]:
    """The words of synthetic transcripts, but one, which is cut into letters like all others."""
    return sorted({word for words in vocabulary().values() for word in words} - {"afraid"})


def byte_letters() -> list[str]:
    """A visible character for each byte in the order of GPT-2's and CLIP's vocabularies, which begin "!"."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = len(set(range(256)) - set(visible))
    return [chr(code) for code in visible] + [chr(256 + index) for index in range(others)]


def idle_merges(letters: list[str]) -> Iterator[tuple[str, str]]:
    """Pairs that no English word holds, because the first is no small letter: they fill a vocabulary."""
    firsts = [letter for letter in letters if letter not in ascii_lowercase]
    return ((first, second) for second in reversed(letters) for first in reversed(firsts))


def _mark(token: str) -> dict[str, Any]:
    return {"content": token, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}


def _save(tokenizer: Any, folder: Path, kind: str, special: dict[str, str]) -> None:
    from transformers import PreTrainedTokenizerFast

    named = {f"{role}_token": token for role, token in special.items()}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named).save_pretrained(folder)
    config = folder / "tokenizer_config.json"
    write_json(config, read_json(config) | {"tokenizer_class": kind})
