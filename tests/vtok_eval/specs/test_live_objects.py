"""Which objects can be tested, as what, and which are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vtok_eval.errors import SpecError
from vtok_eval.run.suite import SystemEntry
from vtok_eval.specs.live_objects import live_object, live_reference
from vtok_eval.specs.systems import VideoMaking, build_system, kind_of
from vtok_eval.tokenizers.build import BuildContext
from vtok_eval.tokenizers.identity import tokens_key


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


def test_objects_of_one_class_share_tokens_only_if_they_are_equal():
    def key(scale: float) -> str:
        subject = Encodes()
        subject.scale = scale
        live = live_object(subject, name="mine")
        context = BuildContext(torch.device("cpu"), objects={live.reference: live})
        system = build_system(
            SystemEntry(name="mine", spec=live.spec), context, VideoMaking(Path("videos"), 0)
        )
        return tokens_key(system, n_frames=16)

    assert key(1.0) == key(1.0)
    assert key(1.0) != key(2.0)
