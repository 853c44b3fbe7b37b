"""Clips fitted to a contract and back: every number worked out by hand or held to a property."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vtok_eval.data import Clips, TokenKind, Tokens, check_tokens
from vtok_eval.errors import SpecError, TokenizerError
from vtok_eval.inputs.accepts import Accepts
from vtok_eval.inputs.fitted import fitted, unfitted
from vtok_eval.inputs.fitting import fit_clips, plan_fit, undo_fit
from vtok_eval.systems import CountingTokenizer, DecodingTokenizer, TrainableTokenizer


def clips_of(*, n: int = 2, frames: int = 16, height: int = 60, width: int = 64, fps: float = 8.0) -> Clips:
    generator = torch.Generator().manual_seed(frames * height + width)
    pixels = torch.randint(0, 256, (n, frames, 3, height, width), dtype=torch.uint8, generator=generator)
    return Clips(frames=pixels, fps=torch.full((n,), fps, dtype=torch.float64))


def plan(accepts: Accepts, clips: Clips):
    n_frames, _, height, width = clips.frames.shape[1:]
    return plan_fit(accepts, n_frames=n_frames, height=height, width=width, fps=float(clips.fps[0]))


class Identity:
    """Every pixel of the clip is a token's channel; decodes to the very clip."""

    def __init__(self, accepts):
        self.accepts = accepts
        self.seen = []

    def encode(self, clips):
        self.seen.append(tuple(clips.frames.shape[1:]))
        _, frames, _, height, width = clips.frames.shape
        values = clips.frames.flatten(2).float()
        return Tokens.of(values, frame=torch.arange(frames), latent_shape=(frames, 1, 1)), (height, width)

    def token_count(self, n_frames):
        return n_frames


class Coder(Identity):
    def encode(self, clips):
        tokens, self.size = super().encode(clips)
        return tokens

    def decode(self, tokens):
        t, _, _ = tokens.latent_shape
        frames = tokens.values.reshape(len(tokens), t, 3, *self.size).to(torch.uint8)
        return Clips(frames=frames, fps=torch.full((len(tokens),), 4.0, dtype=torch.float64))


@pytest.mark.parametrize(
    ("accepts", "text"),
    [
        (Accepts(frames="1+4k"), "16 frames padded to 17"),
        (Accepts(frames="4k", size="8k"), "60 x 64 px padded to 64 x 64"),
        (Accepts(frames=17), "16 frames padded to 17"),
        (Accepts(frames=5), "16 frames cut into 4 windows of 5"),
        (Accepts(frames="1+4k", most=10), "16 frames cut into 2 windows of 9"),
        (Accepts(frames="4k", window=8), "16 frames cut into 2 windows of 8"),
        (Accepts(size=32), "60 x 64 px resized to 32 x 32"),
        (Accepts(size="16k", fit_size="crop"), "60 x 64 px cropped to 48 x 64"),
        (Accepts(fps=4), "16 frames at 8 fps resampled to 8 at 4 fps"),
        (Accepts(least=20), "16 frames padded to 20"),
        (Accepts(), ""),
    ],
)
def test_what_was_done_is_said(accepts, text):
    clips = clips_of()
    fit = plan(accepts, clips)
    assert fit.text() == text
    for part in fit_clips(clips, fit):
        n_frames, _, height, width = part.frames.shape[1:]
        assert accepts.takes_length(n_frames)
        assert accepts.takes_size(height, width)


@settings(max_examples=60)
@given(
    frames=st.integers(1, 40),
    height=st.integers(3, 20),
    width=st.integers(3, 20),
    rule=st.sampled_from([None, "1+4k", "4k", "1+8k", 7]),
    most=st.sampled_from([None, 9, 20]),
    size=st.sampled_from([None, "8k", "5k"]),
)
def test_padding_and_windows_are_undone_exactly(frames, height, width, rule, most, size):
    if rule == 7 and most == 9:
        most = None
    clips = clips_of(n=1, frames=frames, height=height, width=width)
    fit = plan(Accepts(frames=rule, most=most, size=size), clips)
    back = undo_fit(fit_clips(clips, fit), fit)
    assert torch.equal(back.frames, clips.frames)
    assert torch.equal(back.fps, clips.fps)


def test_resampling_takes_the_frame_shown_at_each_time():
    # 8 to 3 frames a second: times 0, 1/3, 2/3, ... show frames 0, 2 (of 2.67), 5 (of 5.33), 8, 10, 13.
    fit = plan(Accepts(fps=3), clips_of())
    assert fit.source_frames == (0, 2, 5, 8, 10, 13)
    # 8 to 16: every frame twice.
    assert plan(Accepts(fps=16), clips_of(frames=3)).source_frames == (0, 0, 1, 1, 2, 2)


def test_resampled_frames_come_back_at_the_given_length():
    clips = clips_of(frames=8)
    fit = plan(Accepts(fps=4), clips)
    back = undo_fit(fit_clips(clips, fit), fit)
    assert torch.equal(back.frames, clips.frames[:, [0, 0, 2, 2, 4, 4, 6, 6]])


def test_what_was_cropped_stays_cropped():
    clips = clips_of(height=60, width=64)
    fit = plan(Accepts(size="16k", fit_size="crop"), clips)
    back = undo_fit(fit_clips(clips, fit), fit)
    assert torch.equal(back.frames, clips.frames[..., 6:54, :])


def test_a_decoder_that_loses_frames_is_not_made_whole():
    clips = clips_of(frames=16)
    fit = plan(Accepts(frames="1+4k"), clips)
    (part,) = fit_clips(clips, fit)
    short = Clips(frames=part.frames[:, :13], fps=part.fps)
    assert undo_fit([short], fit).frames.shape[1] == 13


def test_a_crop_of_a_clip_that_is_too_small_names_the_nearest():
    with pytest.raises(
        TokenizerError, match=r"12 x 64 px cannot be fitted .*; the nearest that could is 16 x 64"
    ):
        plan(Accepts(size="16k", fit_size="crop"), clips_of(height=12))


def test_a_clip_without_a_rate_cannot_be_resampled():
    with pytest.raises(TokenizerError, match="this clip's rate is not known"):
        plan(Accepts(fps=4), clips_of(fps=0.0))


def test_tokens_name_the_given_frames_and_decode_gives_the_given_clip():
    clips = clips_of(frames=16)
    inner = Coder(Accepts(frames=5, size="8k"))
    tokenizer = fitted(inner)
    tokens = tokenizer.encode(clips)
    # Four windows of five frames, the last with four repeated ones: 20 tokens are paid for.
    assert tokens.count().tolist() == [20, 20]
    assert tokens.frame[0].tolist() == [*range(16), 15, 15, 15, 15]
    assert tokens.latent_shape == (20, 1, 1)
    assert inner.seen == [(5, 3, 64, 64)] * 4
    back = tokenizer.decode(tokens)
    assert torch.equal(back.frames, clips.frames)
    assert back.fps.tolist() == [8.0, 8.0]
    assert tokenizer.token_count(16) == 20


class Quantised(Coder):
    """The pixels as codes: one quantiser for each of them."""

    def encode(self, clips):
        tokens = super().encode(clips)
        return Tokens.codes(
            tokens.values.long(), codebook_size=256, frame=tokens.frame, latent_shape=tokens.latent_shape
        )

    def decode(self, tokens):
        assert tokens.coded is not None
        pixels = Tokens.of(tokens.indices.float(), latent_shape=tokens.latent_shape)
        return super().decode(pixels)


def test_codes_of_windows_are_joined_and_decoded_window_by_window():
    clips = clips_of(frames=7, height=6, width=8)
    tokenizer = fitted(Quantised(Accepts(frames=5, size="4k")))
    tokens = tokenizer.encode(clips)
    assert tokens.indices.shape == (2, 10, 3 * 8 * 8)
    assert tokens.bits().tolist() == [10 * 3 * 8 * 8 * 8.0] * 2
    assert torch.equal(tokenizer.decode(tokens).frames, clips.frames)


def test_codes_at_several_rates_share_a_batch():
    clips = clips_of(frames=8, height=4, width=4)
    clips = Clips(frames=clips.frames, fps=torch.tensor([8.0, 4.0], dtype=torch.float64))
    tokens = fitted(Quantised(Accepts(fps=4))).encode(clips)
    check_tokens(tokens, n_clips=2)
    assert tokens.bits().tolist() == [4 * 48 * 8.0, 8 * 48 * 8.0]
    alone = fitted(Quantised(Accepts(fps=4))).encode(Clips(frames=clips.frames[:1], fps=clips.fps[:1]))
    assert torch.equal(tokens.indices[:1, :4], alone.indices)


def test_clips_at_several_rates_share_a_batch():
    clips = clips_of(frames=8)
    clips = Clips(frames=clips.frames, fps=torch.tensor([8.0, 4.0], dtype=torch.float64))
    tokens = fitted(Coder(Accepts(fps=4))).encode(clips)
    assert tokens.mask.sum(dim=1).tolist() == [4, 8]
    alone = fitted(Coder(Accepts(fps=4))).encode(Clips(frames=clips.frames[:1], fps=clips.fps[:1]))
    assert torch.equal(tokens.values[:1, :4], alone.values)
    assert tokens.frame[0, :4].tolist() == [0, 2, 4, 6]
    with pytest.raises(TokenizerError, match="several frame rates"):
        fitted(Coder(Accepts(fps=4))).decode(tokens)


def test_it_can_do_what_the_tokenizer_can():
    class Plain:
        accepts = Accepts(frames="4k")

        def encode(self, clips):
            return Tokens.of(clips.frames.float().mean(dim=(3, 4)))

    tokenizer = fitted(Plain())
    for protocol in (CountingTokenizer, DecodingTokenizer, TrainableTokenizer):
        assert not isinstance(tokenizer, protocol)
    assert isinstance(fitted(Coder(Accepts(frames=5))), CountingTokenizer)
    assert isinstance(fitted(Coder(Accepts(frames=5))), DecodingTokenizer)
    assert isinstance(unfitted(tokenizer), Plain)


def test_features_and_projection_go_through():
    class Trained:
        accepts = Accepts(frames="1+4k")
        trainable = True

        def features(self, clips):
            means = clips.frames.float().mean(dim=(3, 4))
            motion = means[:, 1:] - means[:, :1]
            frame = torch.arange(1, clips.n_frames)
            return Tokens.of(means[:, :1]), Tokens.of(motion, frame=frame, kind=TokenKind.MOTION)

        def new_projection(self, *, seed):
            return torch.nn.Identity()

        def encode(self, clips):
            return Tokens.concatenate(self.features(clips))

    still, motion = fitted(Trained()).features(clips_of(frames=16))
    assert still.frame[0].tolist() == [0]
    assert motion.frame[0].tolist() == [*range(1, 16), 15]
    assert isinstance(fitted(Trained()), TrainableTokenizer)


def test_a_tokenizer_without_a_contract_is_itself():
    plain = Coder(None)
    assert fitted(plain) is plain


def test_another_kind_of_contract_is_refused():
    with pytest.raises(SpecError, match=r"Coder.accepts must be vtok_eval.Accepts"):
        fitted(Coder({"frames": 16}))


def test_frames_beyond_the_window_are_refused():
    class Wrong(Coder):
        def encode(self, clips):
            tokens = super().encode(clips)
            return Tokens.of(tokens.values, frame=torch.arange(1, clips.n_frames + 1))

    with pytest.raises(TokenizerError, match="token frame must be 0 to 16 in a clip of 17 frames"):
        fitted(Wrong(Accepts(frames="1+4k"))).encode(clips_of())


def test_a_latent_shape_must_multiply_to_the_number_of_tokens():
    class Wrong(Coder):
        def encode(self, clips):
            return Tokens.of(super().encode(clips).values, latent_shape=(4, 2, 1))

    with pytest.raises(TokenizerError, match=r"latent_shape \(4, 2, 1\) must be"):
        fitted(Wrong(Accepts(frames="1+4k"))).encode(clips_of())
