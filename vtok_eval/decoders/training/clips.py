"""Clips that decoders are trained on: rendered scenes over backdrops more varied than a handful of photos."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from vtok_eval.scenes.dataset import SceneClip
from vtok_eval.scenes.drawing import draw_scene, stream
from vtok_eval.scenes.photos import SPLITS
from vtok_eval.scenes.scene import Scene

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vtok_eval.data import Clip

VERSION = 1
"""Raised whenever an equal seed could give other pixels."""
_STREAM = 6
"""Sets this randomness apart from the scenes' own (0 to 2) and that of questions about them (3, 4)."""
_BLENDED, _GRADIENT, _MIXED, _INVERTED, _NOISY = 0.35, 0.1, 0.6, 0.3, 0.4
"""Share of the clips whose backdrop is two photos at once; a gradient; of other colours; of those the share
that is inverted; and the share of all with noise."""


@dataclass(frozen=True)
class VariedClip(SceneClip):
    """A scene's shapes and motions over a backdrop of other colours, of two photos at once, or a gradient.

    Of a handful of photos a decoder learns those photos; what it learns of these carries over to new ones.
    """

    @property
    def key(self) -> str:
        """As `SceneClip.key`, with a separate version."""
        return f"varied-v{VERSION}/{super().key}"

    def load(self) -> Clip:
        """Render it: frames uint8 `(T, 3, H, W)`."""
        import torch

        from vtok_eval.data import Clip
        from vtok_eval.scenes.render import paint_shapes

        frames = self.backdrop()
        paint_shapes(frames, self.scene)
        return Clip(frames=torch.from_numpy(frames), fps=self.fps)

    def backdrop(self) -> NDArray[np.uint8]:
        """The frames without shapes, uint8 `(T, 3, H, W)`."""
        rng = stream(VERSION, self.seed, SPLITS.index(self.split), self.index, _STREAM)
        shape = (self.n_frames, 3, self.size, self.size)
        pixels = _photo(self.scene, shape)
        if rng.random() < _BLENDED:
            pixels = _blend(rng, pixels, self._other(rng), shape)
        if rng.random() < _GRADIENT:
            pixels = _gradient(rng, shape)
        if rng.random() < _MIXED:
            pixels = _mix_channels(rng, pixels)
        if rng.random() < _NOISY:
            pixels = pixels + 8 * rng.random() * (_uniform(rng, shape) - 0.5)
        result: NDArray[np.uint8] = np.clip(np.floor(pixels + 0.5), 0, 255).astype(np.uint8)
        return result

    def _other(self, rng: np.random.Generator) -> Scene:
        """This scene's camera before another scene's photo."""
        other = draw_scene(self.seed, self.split, int(rng.random() * 2**20))
        return replace(other, camera=self.scene.camera)


def true_backdrop(clip: SceneClip) -> NDArray[np.uint8]:
    """What a clip shows without its shapes, uint8 `(T, 3, H, W)`."""
    if isinstance(clip, VariedClip):
        return clip.backdrop()
    return _photo(clip.scene, (clip.n_frames, 3, clip.size, clip.size)).astype(np.uint8)


def _photo(scene: Scene, shape: tuple[int, ...]) -> NDArray[np.float32]:
    from vtok_eval.scenes.render import paint_backdrop

    frames = np.empty(shape, dtype=np.uint8)
    paint_backdrop(frames, scene.backdrop, scene.camera)
    return frames.astype(np.float32)


def _uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    return rng.random(shape).astype(np.float32)


def _blend(
    rng: np.random.Generator, pixels: NDArray[np.float32], other: Scene, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    share = np.float32(0.2 + 0.6 * rng.random())
    return share * pixels + (1 - share) * _photo(other, shape)


def _gradient(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Four colours in the corners, bilinear between, the same in every frame."""
    corners = 255 * _uniform(rng, (2, 2, 3, 1, 1))
    along = np.linspace(0, 1, shape[-1], dtype=np.float32)
    down = along[:, None]
    top = corners[0, 0] * (1 - along) + corners[0, 1] * along
    bottom = corners[1, 0] * (1 - along) + corners[1, 1] * along
    return np.broadcast_to(top * (1 - down) + bottom * down, shape).copy()


def _mix_channels(rng: np.random.Generator, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colours exchanged or mixed, perhaps inverted, with another contrast and brightness."""
    mixing = np.eye(3)[rng.random(3).argsort()]
    if rng.random() < 0.5:
        weights = rng.random((3, 3))
        mixing = 0.6 * mixing + 0.4 * weights / weights.sum(axis=1, keepdims=True)
    mixed = np.einsum("ij,tjhw->tihw", mixing.astype(np.float32), pixels)
    if rng.random() < _INVERTED:
        mixed = 255 - mixed
    contrast, brightness = 0.3 + rng.random(), 100 * rng.random() - 50
    return np.asarray((mixed - 128) * contrast + 128 + brightness, dtype=np.float32)
