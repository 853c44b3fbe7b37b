"""A run's own description: typed, a mapping of its JSON form, and nothing guessed from prose."""

from __future__ import annotations

import json

import pytest

from vtok_eval.results.description import Caveat, Description, joined_caveats

PROSE = "pretrained; not random weights, and no stand-in was used in this re-created smoke test"
FULL = Description(
    caveats=(Caveat.STAND_IN,),
    notes=("a note",),
    cost=("an hour",),
    data={"sha256": "00"},
    options={"side": 64},
    facts={"weights": PROSE, "nested": {"deep": [1]}},
)


def test_it_survives_json():
    text = json.dumps(FULL.to_json())
    again = Description.of(json.loads(text))
    assert again == FULL
    assert again.caveats == (Caveat.STAND_IN,)
    assert again.facts == FULL.facts


def test_it_is_the_mapping_of_its_json_form():
    assert dict(FULL) == FULL.to_json()
    assert FULL["options"] == {"side": 64}
    assert FULL.get("no such key") is None
    assert list(Description()) == ["caveats"]


def test_identity_leaves_out_what_says_nothing_about_the_measurement():
    assert FULL.identity() == {"options": {"side": 64}, "data": {"sha256": "00"}, **FULL.facts}


def test_two_together():
    mine = Description(caveats=(Caveat.RANDOM_WEIGHTS,), notes=("b", "a note"), facts={"weights": "mine"})
    both = FULL | mine
    assert both.caveats == (Caveat.RANDOM_WEIGHTS, Caveat.STAND_IN)
    assert both.notes == ("a note", "b")
    assert both.facts == {"weights": "mine", "nested": {"deep": [1]}}
    assert joined_caveats((), both.caveats, mine.caveats) == both.caveats


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"caveats": ["standin"]}, "'standin'; there are: random weights, stand-in"),
        ({"caveats": "stand-in"}, "caveats must be a list of texts"),
        ({"caveats": [["stand-in"]]}, "caveats must be a list of texts"),
        ({"notes": "one text"}, "notes must be a list of texts"),
        ({"cost": [3]}, "cost must be a list of texts"),
        ({"options": ["a"]}, "options must be a mapping"),
        ({"data": "a"}, "data must be a mapping"),
    ],
)
def test_what_has_another_form_is_refused(content, said):
    with pytest.raises(ValueError, match=said):
        Description.of(content)


def test_a_field_cannot_hide_among_the_facts():
    with pytest.raises(ValueError, match="facts must not hold caveats"):
        Description(facts={"caveats": []})
