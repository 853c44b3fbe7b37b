"""Tokenizers as users write them by mistake; each gives, or should give, a clip's mean grey level."""

import torch

from vtok_eval import Clips, Tokens


class Level:
    """The mean level, 0 to 255."""

    def encode(self, clips: Clips) -> Tokens:
        return Tokens.of(clips.frames.float().mean(dim=(1, 3, 4))[:, None])


class KeepsState(Level):
    """Adds how often it was called."""

    seen = 0.0

    def encode(self, clips: Clips) -> Tokens:
        self.seen += 1
        return Tokens.of(super().encode(clips).values + self.seen)


class ChangesItsInput(Level):
    """Blackens the clips that it was given."""

    def encode(self, clips: Clips) -> Tokens:
        tokens = super().encode(clips)
        clips.frames.zero_()
        return tokens


class NoNumbers(Level):
    """Its weights were never loaded: everything is on the device meta."""

    def encode(self, clips: Clips) -> Tokens:
        return Tokens.of(super().encode(clips).values.to("meta"))


class TwoDevices(Level):
    """Its mask is on another device than its values."""

    def encode(self, clips: Clips) -> Tokens:
        tokens = super().encode(clips)
        return Tokens(tokens.values, tokens.mask.to("meta"), tokens.kind, tokens.frame)


class Overflows(Level):
    """Ten thousand times the level, in float16: infinite from a level of 7 on."""

    def encode(self, clips: Clips) -> Tokens:
        return Tokens.of((super().encode(clips).values * 1e4).half())


class NaNForDarkClips(Level):
    """No number for levels below 15."""

    def encode(self, clips: Clips) -> Tokens:
        values = super().encode(clips).values
        return Tokens.of(torch.where(values < 15, torch.nan, values))


class NoWeights(Level):
    """Looks for a file that is not there."""

    def __init__(self) -> None:
        raise FileNotFoundError(2, "No such file or directory", "weights.pt")
