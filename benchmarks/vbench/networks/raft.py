"""RAFT's optical flow by the package's own layers, without the work that cannot change it.

The package's forward pass encodes both frames of every pair, so almost every frame twice; brings
the flow to full size after each iteration though only the last is read; and convolves the context, which
stays the same, anew in every iteration. Here each is done once. Its correlation of all places with all others
is bounded (`correlation.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.vbench.networks.correlation import Correlation
from benchmarks.vbench.package import vbench_module

if TYPE_CHECKING:
    from torch import Tensor, nn

# Any: networks of the vbench package, which have no types.

ITERATIONS = 20


class RaftFlow:
    """Flow between frames, from a `vbench.third_party.RAFT.core.raft.RAFT` in evaluation mode.

    room: bytes that the correlations of the pairs given at once may take.
    """

    def __init__(self, raft: Any, *, room: int) -> None:
        self._raft = raft
        self._room = room
        self._padder = vbench_module("third_party.RAFT.core.utils_core.utils").InputPadder

    def encode(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Features and context, `(n, 256, H', W')` each, of frames uint8 `(n, 3, H, W)`.

        H' and W' are an eighth of H and W padded to multiples of 8.
        """
        pixels = self._padder(frames.shape).pad(frames.float())[0]
        scaled = (2 * (pixels / 255.0) - 1.0).contiguous()
        return self._raft.fnet(scaled).float(), self._raft.cnet(scaled)

    def flow(self, features: Tensor, following: Tensor, context: Tensor) -> Tensor:
        """Flow in pixels, `(n, 2, 8 H', 8 W')`, from frames to the following ones.

        features, context: of the frames; following: the features of the following frames.
        """
        import torch

        raft, block = self._raft, self._raft.update_block
        correlation = Correlation(features, following, radius=raft.args.corr_radius, room=self._room)
        state, inputs = torch.split(context, [raft.hidden_dim, raft.context_dim], dim=1)
        state = torch.tanh(state)
        gates = _Gates(block.gru, torch.relu(inputs))
        start, now = self._grids(features)
        for _ in range(ITERATIONS):
            state = gates.step(state, block.encoder(now - start, correlation(now)))
            now = now + block.flow_head(state)
        full: Tensor = raft.upsample_flow(now - start, 0.25 * block.mask(state))
        return full

    def _grids(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """RAFT's pixel coordinates, twice; it reads their size off an image eight times as large."""
        count, _, height, width = features.shape
        image = features.new_empty(1).expand(count, 3, 8 * height, 8 * width)
        start, now = self._raft.initialize_flow(image)
        return start, now


class _Gates:
    """A step of RAFT's `SepConvGRU` on unchanging inputs: their share of every convolution is computed once.

    The convolutions read (state, inputs, motion) stacked. A convolution of stacked channels is the sum of one
    of each, so the middle one is taken out; the update and the reset gate, which read the same, become one.
    """

    def __init__(self, gru: Any, inputs: Tensor) -> None:
        self._halves = [
            _Half(gru.convz1, gru.convr1, gru.convq1, inputs),
            _Half(gru.convz2, gru.convr2, gru.convq2, inputs),
        ]

    def step(self, state: Tensor, motion: Tensor) -> Tensor:
        """The next state, horizontal convolutions first."""
        for half in self._halves:
            state = half.step(state, motion)
        return state


class _Half:
    """One direction of the recurrent unit."""

    def __init__(self, update: nn.Conv2d, reset: nn.Conv2d, candidate: nn.Conv2d, inputs: Tensor) -> None:
        import torch

        width, context = update.out_channels, inputs.shape[1]
        self._padding: Any = update.padding
        self._weights: list[Tensor] = []
        self._constants: list[Tensor] = []
        for layers in ((update, reset), (candidate,)):
            weight = torch.cat([layer.weight for layer in layers])
            bias = torch.cat([layer.bias for layer in layers if layer.bias is not None])
            of_state, of_inputs, of_motion = weight.split(
                [width, context, weight.shape[1] - width - context], dim=1
            )
            self._weights.append(torch.cat([of_state, of_motion], dim=1).contiguous())
            self._constants.append(self._convolve(inputs, of_inputs, bias))

    def step(self, state: Tensor, motion: Tensor) -> Tensor:
        """`(1 - z) state + z q`, with z, r = sigmoid(...) and q = tanh(...) as in a gated recurrent unit."""
        import torch

        both = self._convolve(torch.cat([state, motion], dim=1), self._weights[0]) + self._constants[0]
        update, reset = torch.sigmoid(both).chunk(2, dim=1)
        proposed = self._convolve(torch.cat([reset * state, motion], dim=1), self._weights[1])
        candidate = torch.tanh(proposed + self._constants[1])
        return (1 - update) * state + update * candidate

    def _convolve(self, stacked: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        from torch.nn.functional import conv2d

        return conv2d(stacked, weight, bias, padding=self._padding)
