"""The frozen foundation models of Affect-Diff as the hub has them: full size, random weights.

Their files keep what the pipeline never reads (heads, poolers, CLIP's text side) and names that transformers
has changed since: BERT's ``gamma`` and ``beta``, ``weight_g`` and ``weight_v`` of wav2vec 2.0 and HuBERT.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetory.data.mosei.foundation import foundation, weights_folder
from facetory.data.mosei.frozen import WEIGHTS
from facetory.rehearsal.random_weights import random_tensors, shapes_of
from facetory.rehearsal.saving import folder_aside, save_safetensors, save_torch
from facetory.rehearsal.tokenizers import (
    BERT_WORDS,
    ROBERTA_WORDS,
    save_bert_tokenizer,
    save_roberta_tokenizer,
)

if TYPE_CHECKING:
    from torch import Tensor

FULL: dict[str, tuple[str, str, dict[str, Any]]] = {
    "roberta": (
        "RobertaForMaskedLM",
        "RobertaConfig",
        {
            "vocab_size": ROBERTA_WORDS,
            "max_position_embeddings": 514,
            "type_vocab_size": 1,
            "layer_norm_eps": 1e-5,
            "bos_token_id": 0,
            "pad_token_id": 1,
            "eos_token_id": 2,
        },
    ),
    "bert": ("BertForPreTraining", "BertConfig", {"vocab_size": BERT_WORDS}),
    "hubert": ("HubertModel", "HubertConfig", {}),
    "wav2vec2": ("Wav2Vec2ForCTC", "Wav2Vec2Config", {"vocab_size": 32}),
    "clip": ("CLIPModel", "CLIPConfig", {"vision_config": {"patch_size": 16}, "projection_dim": 512}),
}
"""Class, configuration's class and what of it is no default, by the name in foundation.yaml."""
PICKLED = ("hubert", "clip")
"""Those that come as a pickle of tensors; the others are safetensors."""
OLD_NAMES = {
    "bert": ((r"LayerNorm\.weight$", "LayerNorm.gamma"), (r"LayerNorm\.bias$", "LayerNorm.beta")),
    "hubert": (
        (r"parametrizations\.weight\.original0$", "weight_g"),
        (r"parametrizations\.weight\.original1$", "weight_v"),
    ),
}
OLD_NAMES["wav2vec2"] = OLD_NAMES["hubert"]
TIED = re.compile(r"lm_head\.decoder\.|cls\.predictions\.decoder\.")
"""What a head shares with the embeddings, which safetensors keeps once."""
POSITIONS = {
    "roberta": {"roberta.embeddings.position_ids": (1, 514)},
    "clip": {"text_model.embeddings.position_ids": (1, 77), "vision_model.embeddings.position_ids": (1, 197)},
}
POOLED = {"roberta": {"roberta.pooler.dense.weight": (768, 768), "roberta.pooler.dense.bias": (768,)}}
TOKENIZERS: dict[str, Callable[[Path], None]] = {
    "roberta": save_roberta_tokenizer,
    "bert": save_bert_tokenizer,
}


def save_foundation(name: str, data_root: Path) -> None:
    """Write the named model's folder below ``data_root``/weights with all files of `Foundation.files`."""
    import transformers

    with folder_aside(weights_folder(foundation(name), data_root)) as folder:
        model = planned(name)
        model.config.architectures = [FULL[name][0]]
        model.config.save_pretrained(folder)
        save = save_torch if name in PICKLED else save_safetensors
        save(folder / WEIGHTS[name in PICKLED], hub_weights(name, model))
        if name in TOKENIZERS:
            TOKENIZERS[name](folder)
        if name == "clip":
            transformers.CLIPImageProcessorPil().save_pretrained(folder)


def planned(name: str, **own: Any) -> Any:
    """The named model without memory for its weights; ``own`` replaces entries of its configuration."""
    import torch
    import transformers

    network, config, settings = FULL[name]
    with torch.device("meta"):
        return getattr(transformers, network)(getattr(transformers, config)(**settings | own))


def hub_weights(name: str, model: Any) -> dict[str, Tensor]:
    """Random tensors of a model under the names of its published file."""
    import torch

    shapes = {key: shape for key, shape in shapes_of(model).items() if not TIED.match(key)}
    named = {old_name(name, key): shape for key, shape in shapes.items()}
    weights = random_tensors(named | POSITIONS.get(name, {}) | POOLED.get(name, {}))
    for key, gain in weights.items():
        if key.endswith("weight_g"):  # the norms of what it scales
            gain.copy_(weights[f"{key[:-1]}v"].norm(dim=(0, 1), keepdim=True))
        elif key == "logit_scale":
            gain.copy_(torch.tensor(100.0).log())
    return weights


def old_name(name: str, key: str) -> str:
    """What the published file of the named model calls a tensor of transformers'."""
    for pattern, old in OLD_NAMES.get(name, ()):
        key = re.sub(pattern, old, key)
    return key
