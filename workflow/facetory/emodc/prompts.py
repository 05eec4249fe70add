"""The text side of EmoDC: one prompt a class, the non-class prompt and the null prompt (Section III-B).

The paper prints "A photo of a disgusted facial expression" and "A photo of a facial expression."; the other
adjectives, the article and the period are ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from facetory.data.labels import ALIASES
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
VOWELS = ("a", "e", "i", "o", "u", "hour", "honest", "honou", "honor", "heir")
NO_VOWELS = ("eu", "one", "once", "uniq", "unif", "unit", "univ", "use", "usu")
"""Beginnings before which one says "an", and those of them before which one says "a" all the same."""


def class_prompt(adjective: str, template: str = TEMPLATE) -> str:
    """The prompt of one class; ``{article}`` in the template becomes "a" or "an"."""
    return template.format(article=article(adjective), adjective=adjective)


def article(word: str) -> str:
    """ "a" or "an", by the sound a word begins with as far as its letters tell."""
    start = word.lower()
    return "an" if start.startswith(VOWELS) and not start.startswith(NO_VOWELS) else "a"


def adjectives_of(classes: Sequence[str], own: Mapping[str, str]) -> dict[str, str]:
    """An adjective for each of a user's own classes: the one given, the built-in one, else the class's name.

    Built-in ones are found by canonical names and `data.labels.ALIASES` ("joy" is "happy").  An adjective for
    a class that is not there, or two classes with the same prompt, are a `FacetoryError`.
    """
    for name, adjective in own.items():
        if name not in classes:
            raise FacetoryError(
                f"adjective {name}={adjective}: there is no class {name}. The classes are "
                f"{', '.join(classes)}."
            )
    found = {
        name: own.get(name) or ADJECTIVES.get(ALIASES.get(name, name)) or name.replace("_", " ")
        for name in classes
    }
    first: dict[str, str] = {}
    for name, adjective in found.items():
        if first.setdefault(adjective, name) != name:
            raise FacetoryError(
                f"classes {first[adjective]} and {name} would share the prompt {class_prompt(adjective)!r}. "
                f"Give one of them an adjective of its own: --adjective {name}=…"
            )
    return found


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
    classes: Sequence[str],
    encoder: str,
    backbone_folder: Path | str,
    output: Path | str,
    adjectives: Mapping[str, str] | None = None,
) -> None:
    """Write the text file of a dataset's classes: tokens (K + 2, L, D) float32, with prompts and classes."""
    from facetory.diffusion.text import embed

    texts = prompts(classes, adjectives)
    tokens = embed(texts, encoder, backbone_folder)
    write_tensors(output, {"tokens": tokens}, {"prompts": texts, "classes": list(classes)})
