"""Sets of rendered clips by seed and split, as benchmarks use them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from vtok_eval.data import ClipForm
from vtok_eval.scenes.drawing import draw_scene
from vtok_eval.scenes.photos import photo_file, photos_of
from vtok_eval.scenes.scene import VERSION, Scene
from vtok_eval.scenes.truth import Label, caption, labels

if TYPE_CHECKING:
    from vtok_eval.data import Clip

__all__ = ["DEFAULT_FPS", "Label", "SceneClip", "SceneSet", "caption", "labels"]

DEFAULT_FPS = 4.0
"""The rate of every sixth frame of a clip at 24 frames per second."""


@dataclass(frozen=True)
class SceneClip:
    """One clip that is rendered when it is loaded (a `ClipSource`); `size` in pixels, `fps` in hertz.

    Example:
        >>> clip = SceneClip(seed=0, split="test", index=0, size=32, n_frames=4)
        >>> clip.form.n_frames, tuple(clip.load().frames.shape)
        (4, (4, 3, 32, 32))
    """

    seed: int
    split: str
    index: int
    size: int = 64
    n_frames: int = 16
    fps: float = DEFAULT_FPS

    @cached_property
    def scene(self) -> Scene:
        """What the clip shows, drawn on first use."""
        return draw_scene(self.seed, self.split, self.index)

    @property
    def key(self) -> str:
        """Names the frames: version, seed, split, index, size and length, and the frame rate if unusual."""
        rate = "" if self.fps == DEFAULT_FPS else f"@{self.fps:g}"
        name = f"scenes-v{VERSION}/seed={self.seed}/{self.split}/{self.index}"
        return f"{name}/{self.size}x{self.n_frames}{rate}"

    @property
    def form(self) -> ClipForm:
        """Length, size and frame rate, known without rendering it."""
        return ClipForm(self.n_frames, self.size, self.size, self.fps)

    def load(self) -> Clip:
        """Render it: frames uint8 `(T, 3, H, W)`.

        Raises:
            MissingDependencyError: a photo is missing or another one.
        """
        from vtok_eval.data import Clip
        from vtok_eval.scenes.render import render

        frames = render([self.scene], size=self.size, n_frames=self.n_frames)[0]
        return Clip(frames=frames, fps=self.fps)


@dataclass(frozen=True)
class SceneSet:
    """The first `n` scenes of a split ("train", "validation", "test"); larger sets begin with smaller ones.

    Raises:
        UnknownNameError: no such split.
        ValueError: a negative seed or n, or a size or length that cannot be rendered.

    Example:
        >>> [clip.index for clip in SceneSet(0, "test", 3).clips()]
        [0, 1, 2]
    """

    seed: int
    split: str
    n: int
    size: int = 64
    n_frames: int = 16
    fps: float = DEFAULT_FPS

    def __post_init__(self) -> None:
        from vtok_eval.scenes.render import check_format

        photos_of(self.split)
        check_format(size=self.size, n_frames=self.n_frames)
        if self.seed < 0 or self.n < 0:
            raise ValueError(f"a scene set's seed and n must not be negative, not {self.seed} and {self.n}")

    def __len__(self) -> int:
        return self.n

    def clips(self) -> Sequence[SceneClip]:
        """The clips in order; nothing is drawn or rendered yet."""
        return [
            SceneClip(self.seed, self.split, index, self.size, self.n_frames, self.fps)
            for index in range(self.n)
        ]

    def fingerprint(self) -> str:
        """SHA-256 (hex) over the scenes' version, this set's settings and the bytes of its photos.

        Raises:
            MissingDependencyError: a photo is missing.
        """
        settings = (VERSION, self.seed, self.split, self.n, self.size, self.n_frames, self.fps)
        digest = hashlib.sha256(repr(settings).encode())
        for photo in photos_of(self.split):
            digest.update(hashlib.sha256(photo_file(photo).read_bytes()).digest())
        return digest.hexdigest()
