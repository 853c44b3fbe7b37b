"""Frames that Pillow reads: of a GIF, and of a folder with a picture for each frame."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vtok_eval.errors import VideoError
from vtok_eval.video.folder import FRAME_SUFFIXES, is_frame

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def frame_files(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of the numbers in their names: 2.png before 10.png.

    Raises:
        VideoError: it holds none.
    """
    files = sorted((file for file in folder.iterdir() if is_frame(file)), key=_order)
    if not files:
        raise VideoError(f"{folder}: no frames in this folder (looked for *{', *'.join(FRAME_SUFFIXES)})")
    return files


def read_folder(files: Sequence[Path], numbers: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
    """The frames of these numbers (sorted, perhaps repeated), uint8 `(H, W, 3)` in RGB.

    Raises:
        VideoError: a picture cannot be read, or has another size than the first; names it.
    """
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    first: NDArray[np.uint8] | None = None
    for number in numbers:
        try:
            with Image.open(files[number]) as picture:
                pixels = np.array(picture.convert("RGB"), dtype=np.uint8)
        except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError) as error:
            raise VideoError(f"{files[number]}: this frame cannot be read as a picture") from error
        first = pixels if first is None else first
        if pixels.shape != first.shape:
            raise VideoError(f"{files[number]}: this frame is of another size than the first")
        yield pixels


def gif_length(path: Path) -> tuple[int, float]:
    """How many frames a GIF has, and how many a second; 0 where it does not say.

    Raises:
        VideoError: it cannot be opened as a GIF.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            milliseconds = image.info.get("duration", 0)
            return int(getattr(image, "n_frames", 1)), 1000.0 / milliseconds if milliseconds else 0.0
    except (UnidentifiedImageError, OSError) as error:
        raise VideoError(f"{path}: cannot be opened as a GIF") from error


def read_gif(path: Path, numbers: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
    """The frames of these numbers (sorted, perhaps repeated), uint8 `(H, W, 3)` in RGB.

    Raises:
        VideoError: a frame cannot be decoded.
    """
    import numpy as np
    from PIL import Image, ImageSequence

    remaining = list(numbers)
    try:
        with Image.open(path) as image:
            for number, frame in enumerate(ImageSequence.Iterator(image)):
                if not remaining:
                    return
                if remaining[0] != number:
                    continue
                pixels = np.array(frame.convert("RGB"), dtype=np.uint8)
                while remaining and remaining[0] == number:  # a short video's frames are wanted repeatedly
                    yield pixels
                    del remaining[0]
    except (OSError, SyntaxError) as error:
        raise VideoError(f"{path}: a frame of this GIF cannot be decoded") from error


def _order(file: Path) -> tuple[list[tuple[int, str]], str]:
    """By text and numbers in turn."""
    parts = re.split(r"(\d+)", file.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts], file.name
