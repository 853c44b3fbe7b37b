"""Which objects can be tested, as what, and which are refused."""

from __future__ import annotations

import pytest

from vtok_eval.errors import SpecError
from vtok_eval.specs.live_objects import live_object, live_reference
from vtok_eval.specs.systems import kind_of


class Encodes:
    def encode(self, clips): ...


class Generates:
    def generate(self, prompts, seeds): ...


class Answers:
    def answer(self, clip, question, options): ...


class Both(Encodes, Generates):
    pass


@pytest.mark.parametrize(
    ("subject", "kind"), [(Encodes(), "tokenizer"), (Generates(), "generator"), (Answers(), "answerer")]
)
def test_the_spec_says_which_kind_it_is(subject, kind):
    live = live_object(subject, name="mine")
    assert live.kind == kind
    assert kind_of(live.spec) == kind
    assert live.spec.endswith(f"live:mine@{live.identity[:12]}")


@pytest.mark.parametrize(
    ("subject", "identity", "line"),
    [
        (Encodes, None, r"mine: Encodes is a class; pass an object of it: Encodes\(\.\.\.\)"),
        (Both(), None, "mine: Both is a tokenizer and a generator at once"),
        (3.5, None, r"mine: float has none of the methods that can be tested: encode\(clips\) -> Tokens"),
        (Encodes(), " ", "mine: identity must name the object's version"),
    ],
)
def test_what_cannot_be_tested_is_one_line(subject, identity, line):
    with pytest.raises(SpecError, match=line):
        live_object(subject, name="mine", identity=identity)


def test_a_reference_of_another_process_is_refused():
    live = live_object(Encodes(), name="mine", identity="v1")
    assert live_reference(live.spec, {live.reference: live}) is live
    assert live_reference("frames-2", {}) is None
    with pytest.raises(SpecError, match="live:mine@v1 is an object of another Python process"):
        live_reference(live.spec, {})
