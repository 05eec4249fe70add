"""Class names and the datasets' own codes for them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from facetory.pipeline.files import FacetoryError
from facetory.pipeline.suggest import unknown

BASIC = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
COMPOUND = (
    "happily_surprised",
    "happily_disgusted",
    "sadly_fearful",
    "sadly_angry",
    "sadly_surprised",
    "sadly_disgusted",
    "fearfully_angry",
    "fearfully_surprised",
    "angrily_surprised",
    "angrily_disgusted",
    "disgustedly_surprised",
)
CLASSES = {"basic": BASIC, "compound": COMPOUND}

RAFDB_BASIC = {str(code): name for code, name in enumerate(BASIC, start=1)}
RAFDB_COMPOUND = {str(code): name for code, name in enumerate(COMPOUND, start=1)}
FER2013 = dict(
    zip("0123456", ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"), strict=True)
)
ALIASES = {
    "angry": "anger",
    "disgusted": "disgust",
    "fearful": "fear",
    "afraid": "fear",
    "happy": "happiness",
    "joy": "happiness",
    "sad": "sadness",
    "surprised": "surprise",
    "neutrality": "neutral",
}
"""Other names that folders of faces carry."""


def plain_name(name: str) -> str:
    """A folder's name as the name of a class: lower case, underscores for spaces and hyphens."""
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def class_of(name: str, own: Mapping[str, str], where: str, own_classes: Collection[str] = ()) -> str:
    """The canonical class that a folder's name stands for.

    The user's own mapping comes first, then the user's own classes, then canonical names and `ALIASES`, in
    any case and with spaces or hyphens for underscores; any other name is a `FacetoryError` that shows the
    known ones and the nearest.
    """
    plain = plain_name(own.get(name, name))
    if plain in own_classes:
        return plain
    plain = ALIASES.get(plain, plain)
    if plain not in (*BASIC, *COMPOUND):
        raise unknown("class", own.get(name, name), [*BASIC, *COMPOUND, *ALIASES], where)
    return plain


def family_of(labels: Iterable[str], where: str) -> tuple[str, ...]:
    """All classes, in order, of the family (basic or compound) that the labels belong to."""
    labels = set(labels)
    for classes in CLASSES.values():
        if labels <= set(classes):
            return classes
    raise FacetoryError(
        f"{where}: {', '.join(sorted(labels & set(COMPOUND)))} are compound expressions and "
        f"{', '.join(sorted(labels & set(BASIC)))} basic ones. Make two datasets of them."
    )
