"""A sheet of clips next to what their tokens show, as reports draw it (docs/architecture.md)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vtok_eval.files.atomic import write_bytes
from vtok_eval.results.store import write_json

if TYPE_CHECKING:
    from torch import Tensor

FRAMES_SHOWN = 4


@dataclass(frozen=True)
class SheetClip:
    """A clip and its reconstruction, uint8 `(T, 3, H, W)` each, of one size. title: what they are."""

    title: str
    original: Tensor
    reconstruction: Tensor


def write_sheet(folder: Path, clips: Sequence[SheetClip], *, system: str) -> None:
    """Write `sheet.json` and PNG files next to it: a row of original frames above the reconstructed ones.

    The first and the last frame are shown, and others evenly between.

    Raises:
        RunFolderError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, clip in enumerate(clips):
        for what, frames in (("original", clip.original), (system, clip.reconstruction)):
            names = []
            for frame in _shown(len(frames)):
                name = f"clip-{number}-{'original' if what == 'original' else 'tokens'}-{frame}.png"
                write_bytes(folder / name, _png(frames[frame]))
                names.append(name)
            rows.append({"title": what, "clip": clip.title, "frames": names})
    alt = (
        f"{len(clips)} rendered clips, {FRAMES_SHOWN} frames of each, and below each what the tokens of "
        f"{system} show of it"
    )
    write_json(folder / "sheet.json", {"rows": rows, "alt": alt})


def _shown(n_frames: int) -> list[int]:
    return sorted({round(part * (n_frames - 1) / (FRAMES_SHOWN - 1)) for part in range(FRAMES_SHOWN)})


def _png(frame: Tensor) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(frame.permute(1, 2, 0).contiguous().numpy()).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
