"""A tokenizer's trained decoders: each draws what the tokens of clips show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from vtok_eval.decoders.layout import TokenLayout
from vtok_eval.decoders.network import TokenDecoder
from vtok_eval.decoders.objects import DETECTION_THRESHOLD, draw
from vtok_eval.devices.deferred import Deferred, arriving, together
from vtok_eval.devices.transfer import transfer_to
from vtok_eval.errors import TokenizerError
from vtok_eval.probes.features import ClipFeatures, Statistics, build_table, extract_features, require_widths

if TYPE_CHECKING:
    from torch import Tensor

    from vtok_eval.data import Clips
    from vtok_eval.systems import Tokenizer


@dataclass(frozen=True)
class Decoder:
    """One decoder, in evaluation mode. side: of the frames, in pixels. seed: of its training."""

    network: TokenDecoder
    statistics: Statistics
    layout: TokenLayout
    side: int
    seed: int

    def drawn(self, features: ClipFeatures, name: str, *, device: torch.device) -> Tensor:
        """What one clip's tokens show, uint8 `(T, 3, side, side)`; see `begin_drawn`."""
        return self.begin_drawn(features, name, device=device).get()

    def begin_drawn(self, features: ClipFeatures, name: str, *, device: torch.device) -> Deferred[Tensor]:
        """As `drawn`, but the device is waited for only by `get`, which draws.

        The clip is decoded alone: matrix products round differently for different batch sizes.

        Raises:
            TokenizerError: the tokens are of other widths, or at other places, than in training.
        """
        widths = tuple(int(mean.shape[1]) for mean in self.statistics.means)
        require_widths([features], [name], expected=widths, like="in the decoder's training")
        table = self.statistics.standardise(build_table([features], [name]))
        if TokenLayout.of(table, n_frames=self.layout.n_frames) != self.layout:
            raise TokenizerError("the tokens are at other places than in the decoder's training")
        groups, _ = table.select(torch.zeros(1, dtype=torch.int64, device="cpu"), device=device)
        with torch.no_grad():
            maps = self.network(groups, torch.arange(self.layout.n_frames, device=device))[0]
        begun = arriving([transfer_to(device).download(maps.float())])
        return begun.then(lambda found: draw(found[0], side=self.side, threshold=DETECTION_THRESHOLD))


@dataclass(frozen=True)
class TokenizerDecoders:
    """The decoders of one tokenizer, one for each training seed, all of one length and size of clips."""

    tokenizer: Tokenizer
    decoders: tuple[Decoder, ...]
    device: torch.device

    @property
    def training_seeds(self) -> int:
        """How many seeds trained them."""
        return len(self.decoders)

    def reconstruct(self, clips: Clips) -> tuple[list[Tensor], Tensor]:
        """What the clips' tokens show, and each clip's number of tokens, int64 `(B,)`.

        For each decoder uint8 `(B, T, 3, side, side)`. A clip's frames are the same bytes in any batch.

        Raises:
            TokenizerError: the clips are of another length or size than in training, or the tokens break the
                protocol or are at other places than in training.
        """
        found = (clips.n_frames, *clips.size)
        first = self.decoders[0]
        expected = (first.layout.n_frames, first.side, first.side)
        if found != expected:
            raise TokenizerError(
                "the decoder was trained on clips of {} frames of {} x {} pixels, not {} of {} x {}".format(
                    *expected, *found
                )
            )
        features = extract_features(self.tokenizer, clips)
        names = [f"clip {row} of the batch" for row in range(len(features))]
        # Every map is asked for before the first is waited for.
        begun = [
            together(
                [
                    decoder.begin_drawn(clip, name, device=self.device)
                    for clip, name in zip(features, names, strict=True)
                ]
            )
            for decoder in self.decoders
        ]
        decoded = [torch.stack(each.get()) for each in begun]
        return decoded, torch.tensor([clip.n_tokens for clip in features], device="cpu")
