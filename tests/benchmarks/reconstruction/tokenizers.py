"""Small tokenizers for the tests of reconstruction, each with one trait."""

from __future__ import annotations

import torch

from vtok_eval import Accepts, Clips, Tokens


class Unchanged:
    """Every value is a token, so what comes back is what was given."""

    def __init__(self) -> None:
        self.shown: list[tuple[int, ...]] = []

    def encode(self, clips: Clips) -> Tokens:
        """Tokens `(B, T * H * W, 3)`."""
        self.shown.append(tuple(clips.frames.shape[1:]))
        return Tokens.of(
            clips.frames.permute(0, 1, 3, 4, 2).flatten(1, 3).float(),
            latent_shape=(clips.n_frames, *clips.size),
        )

    def decode(self, tokens: Tokens) -> Clips:
        """The clips that were encoded."""
        assert tokens.latent_shape is not None
        frames = tokens.values.unflatten(1, tokens.latent_shape).permute(0, 1, 4, 2, 3).to(torch.uint8)
        return Clips(frames, torch.full((len(frames),), 8.0, dtype=torch.float64))


class InWindows(Unchanged):
    """Adds to each pixel the mean of its window, so that windows and their filling matter."""

    accepts = Accepts(frames="4k", most=4)

    def decode(self, tokens: Tokens) -> Clips:
        """Darkened by a share of the window's mean."""
        clips = super().decode(tokens)
        mean = clips.frames.float().mean(dim=(1, 2, 3, 4), keepdim=True)
        frames = (clips.frames.float() - 0.1 * mean).clamp(0, 255).round().to(torch.uint8)
        return Clips(frames, clips.fps)


class Levels(InWindows):
    """The windows' pixels as codes of three quantisers: a colour channel each, in 16 levels."""

    def encode(self, clips: Clips) -> Tokens:
        """Codes `(B, T * H * W, 3)`."""
        tokens = super().encode(clips)
        return Tokens.codes(tokens.values.long() // 16, codebook_size=16, latent_shape=tokens.latent_shape)

    def decode(self, tokens: Tokens) -> Clips:
        """The middle of each level."""
        pixels = Tokens.of(tokens.indices.float() * 16 + 8, latent_shape=tokens.latent_shape)
        return super().decode(pixels)


class Cropping(Unchanged):
    """Takes multiples of 16 pixels and crops."""

    accepts = Accepts(size="16k", fit_size="crop")


class Broken(Unchanged):
    """Gives back what `fault` says."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault

    def decode(self, tokens: Tokens) -> Clips:
        """Something that breaks the protocol, or cannot be compared."""
        clips = super().decode(tokens)
        frames = clips.frames
        match self.fault:
            case "fewer frames":
                return Clips(frames[:, :-3], clips.fps)
            case "smaller":
                return Clips(frames[..., :-4, :-4], clips.fps)
            case "signed":
                return Clips(frames / 127.5 - 1, clips.fps)
            case "nan":
                return Clips(frames.float() * float("nan"), clips.fps)
            case "two clips":
                return Clips(frames.repeat(2, 1, 1, 1, 1), clips.fps.repeat(2))
        raise RuntimeError("no\nluck")
