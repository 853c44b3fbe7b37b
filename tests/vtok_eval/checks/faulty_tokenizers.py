"""Tokenizers that each break one promise of the protocol, and one that keeps all."""

import torch

from vtok_eval import Clips, Tokens
from vtok_eval.inputs.accepts import Accepts


class Sound:
    """Mean colours; decodes to flat pictures of the given size."""

    def __init__(self, size: int = 64):
        self.size = size

    def encode(self, clips):
        means = clips.frames.float().mean(dim=(3, 4)) / 255
        return Tokens.of(means, frame=torch.arange(clips.n_frames), latent_shape=(clips.n_frames, 1, 1))

    def decode(self, tokens):
        frames = (tokens.values * 255).round().clamp(0, 255).to(torch.uint8)[..., None, None]
        fps = torch.full((len(tokens),), 8.0, dtype=torch.float64)
        return Clips(frames=frames.expand(-1, -1, -1, self.size, self.size), fps=fps)


class Causal(Sound):
    """Takes 1+4k frames only, as a causal video VAE does."""

    def encode(self, clips):
        if clips.n_frames % 4 != 1:
            raise ValueError(f"T must be 1+4k, got {clips.n_frames}")
        return super().encode(clips)


class Truncating(Sound):
    """Drops the frames beyond 1+4k without a word."""

    def encode(self, clips):
        kept = (clips.n_frames - 1) // 4 * 4 + 1
        return super().encode(Clips(frames=clips.frames[:, :kept], fps=clips.fps))


class Multiples:
    """Encodes patches of 8 pixels; other sizes fail."""

    def encode(self, clips):
        patches = clips.frames.float().unfold(3, 8, 8).unfold(4, 8, 8)
        if patches.shape[3] * 8 != clips.frames.shape[3] or patches.shape[4] * 8 != clips.frames.shape[4]:
            raise ValueError("height and width must be multiples of 8")
        return Tokens.of(patches.mean(dim=(5, 6)).flatten(3).transpose(2, 3).flatten(1, 2) / 255)


class Contracted(Causal):
    accepts = Accepts(frames="1+4k")


class InPlace(Sound):
    def encode(self, clips):
        clips.frames.bitwise_not_()
        return super().encode(clips)


class Random(Sound):
    def encode(self, clips):
        tokens = super().encode(clips)
        return Tokens.of(tokens.values + torch.rand_like(tokens.values))


class BatchNormalised(Sound):
    def encode(self, clips):
        values = super().encode(clips).values
        return Tokens.of(values - values.mean(dim=0))


class OneByOne(Sound):
    def encode(self, clips):
        if len(clips) > 1:
            raise ValueError("one clip at a time, please")
        return super().encode(clips)


class Stateful(Sound):
    """A cache that is filled by the first clip it sees after another length."""

    cache = None

    def encode(self, clips):
        tokens = super().encode(clips)
        if self.cache is None or self.cache.shape[1] != clips.n_frames:
            self.cache = tokens.values[:1].clone() if self.cache is None else self.cache[:, :1] * 2
        return Tokens.of(tokens.values + self.cache.mean())


class Poisoned(Sound):
    """One failed call breaks all later ones."""

    dead = False

    def encode(self, clips):
        if self.dead or clips.frames.shape[-1] < 2:
            self.dead = True
            raise RuntimeError("the slicing is off")
        return super().encode(clips)


class NotFinite(Sound):
    def encode(self, clips):
        values = super().encode(clips).values
        return Tokens.of(values / (values.std(dim=(1, 2), keepdim=True)))


class Overflowing(Sound):
    def encode(self, clips):
        return Tokens.of(super().encode(clips).values * 1e6)


class FloatDecoder(Sound):
    def decode(self, tokens):
        clips = super().decode(tokens)
        return Clips(frames=clips.frames.float() / 127.5 - 1, fps=clips.fps)


class Coded(Sound):
    """The mean colours as codes, with one quantiser per channel."""

    n_quantisers = 3

    def encode(self, clips):
        levels = (super().encode(clips).values * 255).round().long()[..., : self.n_quantisers]
        return Tokens.codes(levels, codebook_size=256, latent_shape=(clips.n_frames, 1, 1))

    def decode(self, tokens):
        frames = tokens.indices.to(torch.uint8)[..., None, None]
        fps = torch.full((len(tokens),), 8.0, dtype=torch.float64)
        return Clips(frames=frames.expand(-1, -1, -1, self.size, self.size), fps=fps)


class ChangingQuantisers(Coded):
    def encode(self, clips):
        self.n_quantisers = 3 if clips.n_frames > 4 else 2
        return super().encode(clips)


class RandomCodes(Coded):
    def encode(self, clips):
        codes = super().encode(clips).indices.clone()
        codes[:, 0, 0] = torch.randint(0, 2**8, (len(codes),))
        return Tokens.codes(codes, codebook_size=256)


class OutOfRange(Coded):
    def encode(self, clips):
        return Tokens.codes(super().encode(clips).indices + 200, codebook_size=256)


class Hopeless:
    def encode(self, clips):
        raise RuntimeError("weights are not loaded")
