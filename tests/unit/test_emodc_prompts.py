import subprocess
import sys

import pytest
from facetory.data.labels import BASIC, COMPOUND
from facetory.emodc.prompts import (
    ADJECTIVES,
    NON_CLASS_PROMPT,
    NULL_PROMPT,
    adjectives_of,
    article,
    class_prompt,
    prompts,
)
from facetory.pipeline.files import FacetoryError


def test_the_printed_prompts():
    assert prompts(["disgust"]) == [
        "A photo of a disgusted facial expression.",
        NON_CLASS_PROMPT,
        NULL_PROMPT,
    ]
    assert NON_CLASS_PROMPT == "A photo of a facial expression."


def test_the_article_follows_the_adjective():
    assert class_prompt("angry") == "A photo of an angry facial expression."
    assert class_prompt("happily disgusted") == "A photo of a happily disgusted facial expression."
    assert class_prompt("angrily disgusted") == "A photo of an angrily disgusted facial expression."


def test_every_canonical_class_has_a_prompt_of_its_own():
    assert {*BASIC, *COMPOUND} == {*ADJECTIVES}
    assert len(set(prompts([*BASIC, *COMPOUND]))) == 7 + 11 + 2


def test_a_class_of_ones_own_needs_an_adjective():
    with pytest.raises(FacetoryError, match="no adjective for the classes contempt"):
        prompts(["anger", "contempt"])
    assert prompts(["contempt"], {"contempt": "contemptuous"})[0].startswith("A photo of a contemptuous")


def test_prompts_and_grids_need_no_torch():
    """Snakemake parses what imports them."""
    modules = ("grids", "prompts", "losses", "spec")
    code = f"import sys; from facetory.emodc import {', '.join(modules)}; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


@pytest.mark.parametrize(
    ("word", "expected"),
    [("unhappy", "an"), ("unique", "a"), ("honest", "an"), ("euphoric", "a"), ("Angry", "an"), ("used", "a")],
)
def test_the_article_goes_by_sound(word, expected):
    assert article(word) == expected


def test_classes_of_ones_own_get_adjectives():
    found = adjectives_of(["joy", "very_unhappy", "anger", "calm"], {"calm": "relaxed"})
    assert found == {"joy": "happy", "very_unhappy": "very unhappy", "anger": "angry", "calm": "relaxed"}


def test_two_classes_with_one_prompt_are_refused():
    with pytest.raises(FacetoryError, match="classes joy and happiness would share the prompt"):
        adjectives_of(["joy", "happiness"], {})
    assert adjectives_of(["joy", "happiness"], {"joy": "joyful"})["joy"] == "joyful"
