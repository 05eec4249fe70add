"""The text side of EmoDC: one prompt a class, the non-class prompt and the null prompt (Section III-B).

The paper prints "A photo of a disgusted facial expression" and "A photo of a facial expression."; the other
adjectives, the article and the period are ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from facetory.pipeline.files import FacetoryError, write_tensors

BASIC = {
    "surprise": "surprised",
    "fear": "fearful",
    "disgust": "disgusted",
    "happiness": "happy",
    "sadness": "sad",
    "anger": "angry",
    "neutral": "neutral",
}
COMPOUND = {
    "happily_surprised": "happily surprised",
    "happily_disgusted": "happily disgusted",
    "sadly_fearful": "sadly fearful",
    "sadly_angry": "sadly angry",
    "sadly_surprised": "sadly surprised",
    "sadly_disgusted": "sadly disgusted",
    "fearfully_angry": "fearfully angry",
    "fearfully_surprised": "fearfully surprised",
    "angrily_surprised": "angrily surprised",
    "angrily_disgusted": "angrily disgusted",
    "disgustedly_surprised": "disgustedly surprised",
}
ADJECTIVES = BASIC | COMPOUND
TEMPLATE = "A photo of {article} {adjective} facial expression."
NON_CLASS_PROMPT = "A photo of a facial expression."
NULL_PROMPT = ""


def class_prompt(adjective: str, template: str = TEMPLATE) -> str:
    """The prompt of one class; ``{article}`` in the template becomes "a" or "an"."""
    return template.format(article="an" if adjective[0].lower() in "aeiou" else "a", adjective=adjective)


def prompts(
    classes: Sequence[str],
    adjectives: Mapping[str, str] | None = None,
    template: str = TEMPLATE,
    non_class: str = NON_CLASS_PROMPT,
) -> list[str]:
    """K + 2 prompts in the order of the text files: the K classes, the non-class prompt, the null prompt.

    ``adjectives`` adds to or replaces the built-in ones; a class without an adjective is a `FacetoryError`.
    """
    known = ADJECTIVES | dict(adjectives or {})
    unknown = [name for name in classes if name not in known]
    if unknown:
        raise FacetoryError(
            f"prompts: no adjective for the classes {', '.join(unknown)}. "
            "Give each one under `adjectives` of its dataset, e.g. contempt: contemptuous."
        )
    return [*(class_prompt(known[name], template) for name in classes), non_class, NULL_PROMPT]


def embed_prompts(
    classes: Sequence[str], encoder: str, backbone_folder: Path | str, output: Path | str
) -> None:
    """Write the text file of a dataset's classes: tokens (K + 2, L, D) float32, with prompts and classes."""
    from facetory.diffusion.text import embed

    texts = prompts(classes)
    tokens = embed(texts, encoder, backbone_folder)
    write_tensors(output, {"tokens": tokens}, {"prompts": texts, "classes": list(classes)})
