"""Clips' tokens on disk: bit for bit, each clip encoded once, also by several processes."""

from __future__ import annotations

import pytest
import torch

from vtok_eval.answerers.training.tokens.source import collect_tokens, identity_sha256, tokenizer_identity
from vtok_eval.answerers.training.tokens.table import TokenTable, fill_table
from vtok_eval.benchmark import Sample
from vtok_eval.data import Clip, TokenKind, Tokens
from vtok_eval.errors import RunFolderError, TokenizerError, VideoError
from vtok_eval.run.runners.runner import Runner
from vtok_eval.tokenizers.controls import Blind

CPU = torch.device("cpu")


class GreyClip:
    """A clip of one shade, or one that cannot be loaded."""

    def __init__(self, shade: int | None, n_frames: int = 3) -> None:
        self.shade, self.n_frames = shade, n_frames

    @property
    def key(self) -> str:
        return f"grey-{self.shade}-{self.n_frames}"

    def load(self) -> Clip:
        if self.shade is None:
            raise VideoError("grey.mp4: is empty")
        return Clip(torch.full((self.n_frames, 3, 4, 4), self.shade, dtype=torch.uint8), fps=4.0)


class Means:
    """One token for each frame; counts the clips that it encodes."""

    width = 2

    def __init__(self) -> None:
        self.encoded = 0

    def encode(self, clips) -> Tokens:
        self.encoded += len(clips)
        values = clips.frames.float().mean(dim=(2, 3, 4))
        return Tokens.of(torch.stack([values, -values], dim=2), frame=torch.arange(clips.n_frames))


def samples(*sources: GreyClip) -> list[Sample]:
    return [Sample(f"clip {number}", cluster="x", clip=clip) for number, clip in enumerate(sources)]


@pytest.fixture
def table(tmp_path):
    found = TokenTable(tmp_path / "tokens", tokenizer="0" * 64)
    yield found
    found.close()


def groups() -> tuple[Tokens, ...]:
    generator = torch.Generator().manual_seed(0)
    spatial = torch.randn(1, 4, 8, generator=generator).half()
    motion = torch.randn(1, 3, 70_000, generator=generator).half()  # wider than 16 bits can count
    return (
        Tokens.of(spatial),
        Tokens.of(motion, kind=TokenKind.MOTION, frame=torch.tensor([1, 2, 300])),
        Tokens.of(torch.zeros(1, 0, 5).half()),
    )


def test_what_is_read_is_what_was_written(table, tmp_path):
    table.put("key", groups())
    table.put("none", (Tokens.of(torch.zeros(1, 0, 128).half()),))
    for each in (table, TokenTable(tmp_path / "tokens", tokenizer="0" * 64)):
        view = each.view({"a": "key", "blind": "none"})
        assert view.widths == (8, 70_000, 5)
        assert (view.count("a"), view.count("blind")) == (7, 0)
        for found, expected in zip(view.of("a"), groups(), strict=True):
            for name in ("values", "mask", "kind", "frame"):
                assert torch.equal(getattr(found, name), getattr(expected, name))
        assert view.of("blind")[0].values.shape == (1, 0, 128)


def test_tables_of_other_tokenizers_share_nothing(table, tmp_path):
    table.put("key", groups())
    other = TokenTable(tmp_path / "tokens", tokenizer="1" * 64)
    assert other.has(["key"]) == [False]
    with pytest.raises(KeyError):
        other.view({"a": "key"}).of("a")


def test_too_many_frames_to_count(table):
    late = Tokens.of(torch.zeros(1, 1, 2).half(), frame=torch.tensor([70_000]))
    with pytest.raises(TokenizerError, match="counts to 65535"):
        table.put("key", (late,))


def test_a_damaged_table_says_so(table):
    table.put("key", groups())
    table.close()
    (data,) = table.folder.glob("*.data")
    content = bytearray(data.read_bytes())
    content[10] ^= 255
    data.write_bytes(bytes(content))
    with pytest.raises(RunFolderError, match="run the command again"):
        table.groups("key")
    assert table.has(["key"]) == [False]


class TestFilling:
    def test_each_clip_is_encoded_once(self, table):
        tokenizer, runner = Means(), Runner(device=CPU, batch_size=2)
        first = fill_table(
            table, tokenizer, samples(GreyClip(1), GreyClip(2), GreyClip(3)), runner, description="x"
        )
        assert (first.encoded, tokenizer.encoded) == (3, 3)
        more = samples(GreyClip(1), GreyClip(2), GreyClip(3), GreyClip(4))
        again = fill_table(table, tokenizer, more, runner, description="x")
        assert (again.encoded, tokenizer.encoded) == (1, 4)
        assert table.view(again.keys).of("clip 3")[0].values[0, :, 0].tolist() == [4.0] * 3

    def test_failures_have_reasons_and_are_tried_again(self, table):
        clips = samples(GreyClip(1), GreyClip(None))
        runner = Runner(device=CPU)
        for encoded in (1, 0):
            filled = fill_table(table, Means(), clips, runner, description="x")
            assert filled.encoded == encoded
            assert filled.keys.keys() == {"clip 0"}
            assert filled.failures == {"clip 1": "grey.mp4: is empty"}

    def test_a_tokenizer_that_fails_everywhere(self, table):
        with pytest.raises(TokenizerError, match=r"x: all 1 clips failed; clip 0: grey.mp4: is empty"):
            fill_table(table, Means(), samples(GreyClip(None)), Runner(device=CPU), description="x")

    def test_in_memory(self):
        found = collect_tokens(
            Means(), samples(GreyClip(5), GreyClip(None)), Runner(device=CPU), description="x"
        )
        assert found.tokens.count("clip 0") == 3
        assert found.tokens.of("clip 0")[0].frame.tolist() == [[0, 1, 2]]
        assert found.failures == {"clip 1": "grey.mp4: is empty"}

    def test_widths_that_change(self):
        class Changing(Means):
            def encode(self, clips) -> Tokens:
                return Tokens.of(torch.zeros(len(clips), 1, clips.n_frames))

        clips = samples(GreyClip(1, n_frames=2), GreyClip(1, n_frames=3))
        with pytest.raises(TokenizerError, match="width of tokens must be the same for every clip"):
            collect_tokens(Changing(), clips, Runner(device=CPU, batch_size=1), description="x")


def test_the_identity_tells_options_apart():
    assert tokenizer_identity(Blind(width=8)) == tokenizer_identity(Blind(width=8))
    digests = {identity_sha256(tokenizer_identity(Blind(width=width))) for width in (8, 16)}
    assert len(digests) == 2
