"""Checks that are put off until values have arrived; nothing on the way to tokens waits for a device."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from tests.vtok_eval.devices.slow_device import SlowDevice
from vtok_eval.benchmark import Sample
from vtok_eval.data import Clips, Tokens, check_tokens
from vtok_eval.devices import transfer
from vtok_eval.devices.checks import check_on_host, checks_put_off
from vtok_eval.devices.deferred import Deferred, together
from vtok_eval.errors import TokenizerError
from vtok_eval.inputs.accepts import Accepts
from vtok_eval.inputs.fitted import fitted
from vtok_eval.probes.features import begin_features, extract_features
from vtok_eval.run.runners.runner import Runner
from vtok_eval.scenes.dataset import SceneSet

CPU = torch.device("cpu")


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> SlowDevice:
    device = SlowDevice()
    monkeypatch.setitem(transfer._TRANSFERS, CPU, device)
    return device


def clips_of(n: int, n_frames: int = 5) -> Clips:
    frames = torch.arange(n * n_frames, dtype=torch.uint8, device="cpu").view(n, n_frames, 1, 1, 1)
    fps = torch.full((n,), 4.0, dtype=torch.float64, device="cpu")
    return Clips(frames.expand(-1, -1, 3, 8, 8).contiguous(), fps)


class Windows:
    """One token a frame, its grey level; takes three frames at a time."""

    accepts = Accepts(frames=3, most=3)

    def __init__(self, frame: int = 0) -> None:
        self.first = frame

    def encode(self, clips: Clips) -> Tokens:
        levels = clips.frames.float().mean(dim=(2, 3, 4))[:, :, None]
        return Tokens.of(levels, frame=self.first + torch.arange(clips.n_frames, device="cpu"))


class Coded:
    """One code a frame, its grey level plus a number."""

    accepts = Accepts(frames=3, most=3)

    def __init__(self, shift: int = 0, *, embedded: bool = False) -> None:
        self.shift, self.embedded = shift, embedded

    def encode(self, clips: Clips) -> Tokens:
        codes = clips.frames[:, :, 0, 0, 0].long() + self.shift
        table = torch.arange(64.0, device="cpu").view(32, 2) if self.embedded else None
        frame = torch.arange(clips.n_frames, device="cpu")
        return Tokens.codes(codes, codebook_size=32, embedding=table, frame=frame)


@pytest.mark.parametrize("make", [Windows, Coded, lambda: Coded(embedded=True)])
def test_a_contract_and_codes_wait_for_nothing(
    slow: SlowDevice, monkeypatch: pytest.MonkeyPatch, make: Callable[[], object]
) -> None:
    clips = clips_of(2)
    tokenizer = fitted(make())
    begun = begin_features(tokenizer, clips)
    assert not begun.ready
    slow.arrives = True
    assert begun.ready
    found = begun.get()
    monkeypatch.delitem(transfer._TRANSFERS, CPU)
    same = extract_features(tokenizer, clips)
    for one, other in zip(found, same, strict=True):
        assert (one.n_tokens, one.bits) == (other.n_tokens, other.bits)
        for group, like in zip(one.groups, other.groups, strict=True):
            assert torch.equal(group.values, like.values)
            assert torch.equal(group.frame, like.frame)


@pytest.mark.parametrize(
    ("tokenizer", "message"),
    [
        (Windows(frame=2), "token frame must be 0 to 2 in a clip of 3 frames"),
        (Coded(30), "codes must be 0 to 31, for codebook_size 32: .* is too large"),
        (Coded(30, embedded=True), "codes must be 0 to 31, for codebook_size 32: .* is too large"),
        (Coded(-2), "codes must be 0 to 31, for codebook_size 32: -2 is negative"),
    ],
)
def test_what_is_wrong_is_said_once_it_has_arrived_or_at_once(
    slow: SlowDevice, monkeypatch: pytest.MonkeyPatch, tokenizer: object, message: str
) -> None:
    begun = begin_features(fitted(tokenizer), clips_of(2))
    with pytest.raises(TokenizerError, match=message):
        begun.get()
    monkeypatch.delitem(transfer._TRANSFERS, CPU)
    with pytest.raises(TokenizerError, match=message):
        fitted(tokenizer).encode(clips_of(2))


def test_values_that_are_not_finite_are_found_later_only_while_checks_are_put_off() -> None:
    tokens = Tokens.of(torch.full((2, 3, 4), float("inf"), device="cpu"))
    with checks_put_off() as checks:
        check_tokens(tokens, n_clips=2)
    assert len(checks) == 1
    with pytest.raises(TokenizerError, match=r"NaN or infinite in clips \[0, 1\]"):
        checks[0].get()
    with pytest.raises(TokenizerError, match=r"NaN or infinite in clips \[0, 1\]"):
        check_tokens(tokens, n_clips=2)


def test_an_inner_block_keeps_its_checks_to_itself() -> None:
    said: list[str] = []
    value = [torch.zeros(1, device="cpu")]
    with checks_put_off() as outer:
        check_on_host(value, lambda _: said.append("outer"))
        with checks_put_off() as inner:
            check_on_host(value, lambda _: said.append("inner"))
    check_on_host(value, lambda _: said.append("at once"))
    assert said == ["at once"]
    assert (len(outer), len(inner)) == (1, 1)
    inner[0].get()
    outer[0].get()
    assert said == ["at once", "inner", "outer"]


def test_a_clip_that_breaks_the_contract_later_fails_alone(slow: SlowDevice) -> None:
    class FailsAtBright:
        accepts = Accepts(frames=2, most=2)

        def encode(self, clips: Clips) -> Tokens:
            bright = (clips.frames.float().mean(dim=(1, 2, 3, 4)) > 100).long()
            return Tokens.codes(9 * bright[:, None], codebook_size=4)

    frames = torch.zeros(4, 4, 3, 8, 8, dtype=torch.uint8, device="cpu")
    frames[2] = 200
    clips = Clips(frames, torch.full((4,), 4.0, dtype=torch.float64, device="cpu"))
    tokenizer = fitted(FailsAtBright())

    class Of:
        def __init__(self, row: int) -> None:
            self.key, self.row = f"clip {row}", row

        def load(self):
            from vtok_eval.data import Clip

            return Clip(clips.frames[self.row], 4.0)

    samples = [Sample(str(row), str(row), Of(row)) for row in range(4)]
    runner = Runner(CPU, batch_size=4)
    found = runner.map(samples, lambda _, batch: begin_features(tokenizer, batch), description="test")
    reasons = {sample.id: getattr(result, "reason", "") for sample, result in found}
    assert [name for name, reason in reasons.items() if reason] == ["2"]
    assert "9 is too large" in reasons["2"]


def test_a_readers_batch_is_begun_without_a_look_at_frames_it_does_not_read() -> None:
    """A clip whose features are kept is neither loaded nor copied for the sake of its size."""
    from benchmarks.understanding.scenes.reading import ReadingEvaluator
    from vtok_eval.data import ClipForm
    from vtok_eval.run.runners.held import UnreadClips

    class Remembers:
        def encode(self, clips: Clips) -> Tokens:
            return Tokens.of(torch.zeros(len(clips), 2, 3, device="cpu"))

    def never(source: object) -> object:
        raise AssertionError(f"{source} is loaded")

    clip = next(iter(SceneSet(0, "test", 1, size=32, n_frames=4).clips()))
    unread = UnreadClips.of([clip], ClipForm(4, 32, 32, 4.0), never, CPU)
    evaluator = ReadingEvaluator(Remembers(), (), (), CPU)
    evaluator.begin([Sample("a", "a", clip)], unread)


def test_a_result_is_finished_once_and_an_error_is_tried_again() -> None:
    asked: list[int] = []

    def finish() -> int:
        asked.append(1)
        if len(asked) == 1:
            raise RuntimeError("not yet")
        return len(asked)

    once = Deferred(finish, ready=lambda: False).once()
    with pytest.raises(RuntimeError, match="not yet"):
        once.get()
    assert not once.ready
    assert [once.get(), once.get()] == [2, 2]
    assert once.ready
    assert together([once, Deferred(lambda: 7)]).get() == [2, 7]
