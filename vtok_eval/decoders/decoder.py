"""A trained decoder: clips go through their tokenizer, and what its tokens show is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from vtok_eval.decoders.layout import Layout
from vtok_eval.decoders.network import TokenDecoder
from vtok_eval.decoders.objects import draw
from vtok_eval.errors import TokenizerError
from vtok_eval.probes.features import ClipFeatures, Statistics, build_table, extract_features, require_widths

if TYPE_CHECKING:
    from torch import Tensor

    from vtok_eval.data import Clips


@dataclass(frozen=True)
class Decoder:
    """Decodes the tokens of one tokenizer.

    tokenizer: the one that `network`, in evaluation mode, was trained for. threshold: how sure an object must
    be to be drawn. side: of the frames, in pixels.
    """

    tokenizer: Any
    network: TokenDecoder
    statistics: Statistics
    layout: Layout
    threshold: float
    side: int
    device: torch.device

    def reconstruct(self, clips: Clips) -> tuple[Tensor, Tensor]:
        """What the clips' tokens show: uint8 `(B, T, 3, side, side)`, and each one's tokens, int64 `(B,)`.

        A clip's frames are the same bytes in any company.

        Raises:
            TokenizerError: the clips are of another length or size than in training, or the tokens break the
                protocol or lie elsewhere than they did.
        """
        found = (clips.n_frames, *clips.frames.shape[-2:])
        expected = (self.layout.n_frames, self.side, self.side)
        if found != expected:
            raise TokenizerError(
                "the decoder was trained on clips of {} frames of {} x {} pixels, not {} of {} x {}".format(
                    *expected, *found
                )
            )
        features = extract_features(self.tokenizer, clips)
        widths = tuple(int(mean.shape[1]) for mean in self.statistics.means)
        names = [f"clip {row} of the batch" for row in range(len(features))]
        require_widths(features, names, expected=widths, like="in the decoder's training")
        decoded = [self._one(clip, name) for clip, name in zip(features, names, strict=True)]
        return torch.stack(decoded), torch.tensor([clip.n_tokens for clip in features])

    def _one(self, features: ClipFeatures, name: str) -> Tensor:
        """One clip alone: matrix products round differently for different batch sizes."""
        table = self.statistics.standardise(build_table([features], [name]))
        if Layout.of(table, n_frames=self.layout.n_frames) != self.layout:
            raise TokenizerError("the tokens lie at other places than in the decoder's training")
        groups, _ = table.select(torch.zeros(1, dtype=torch.int64), device=self.device)
        with torch.no_grad():
            maps = self.network(groups, torch.arange(self.layout.n_frames, device=self.device))[0]
        return draw(maps.float().cpu(), side=self.side, threshold=self.threshold)
