"""`vtok_eval.check` takes an object or a spec and prints as text."""

from __future__ import annotations

import pytest

import vtok_eval
from vtok_eval.errors import SpecError, UnknownNameError


class Grey:
    def encode(self, clips):
        return vtok_eval.Tokens.of(clips.frames.float().mean(dim=(3, 4)))


class Forgetful(Grey):
    """Gives other tokens when it is called again."""

    calls = 0

    def encode(self, clips):
        self.calls += 1
        tokens = super().encode(clips)
        return vtok_eval.Tokens.of(tokens.values + self.calls)


def test_an_object_is_checked_like_a_spec():
    report = vtok_eval.check(Grey(), n_frames=4, size=32, device="cpu")
    assert report.ok
    assert repr(report) == report.as_text()
    assert "Grey: the protocol is kept" in repr(report)
    assert not vtok_eval.check(Forgetful(), n_frames=4, size=32, device="cpu").ok


def test_what_cannot_be_checked_is_one_line():
    with pytest.raises(SpecError, match="Grey is not a tokenizer; check needs an object"):
        vtok_eval.check(Grey)
    with pytest.raises(UnknownNameError, match="unknown tokenizer 'fames'"):
        vtok_eval.check("fames")
