"""A tokenizer of torch that runs in this process and in a worker alike."""

import torch

from vtok_eval import Clips, Tokens


class Convolved:
    """Random but fixed weights. The first value of the batch says which dtype it gives."""

    def __init__(self):
        generator = torch.Generator().manual_seed(0)
        self.weight = torch.randn(8, 3, 4, 4, generator=generator)
        self.dtypes = (torch.float32, torch.float16, torch.bfloat16, torch.float64)

    def encode(self, clips: Clips) -> Tokens:
        """The places of a convolution with stride 4; for the last level on a device without values."""
        pictures = clips.frames.flatten(0, 1).float() / 255
        maps = torch.nn.functional.conv2d(pictures, self.weight, stride=4).flatten(1)
        level = int(clips.frames[0, 0, 0, 0, 0])
        if level == len(self.dtypes):
            return Tokens.of(maps.unflatten(0, clips.frames.shape[:2]).to("meta"))
        values = maps.unflatten(0, clips.frames.shape[:2]).to(self.dtypes[level])
        mask = torch.ones(values.shape[:2], dtype=torch.bool)
        mask[:, -1] = False
        kind = torch.ones(values.shape[:2], dtype=torch.int64)
        return Tokens(values, mask, kind, torch.arange(values.shape[1]).expand(len(clips), -1))

    def decode(self, tokens: Tokens) -> Clips:
        """Flat frames, of a level that depends on each bit of the dtype that arrives."""
        level = tokens.values.mean(dim=2).sigmoid() * 255
        frames = level.round().to(torch.uint8)[..., None, None, None].expand(-1, -1, 3, 16, 16)
        return Clips(frames=frames, fps=torch.full((len(frames),), 8.0, dtype=torch.float64))
