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
SHOWN_SIDE = 96
"""Pixels of the longer side of a frame in a sheet, at most; videos keep theirs."""
ERROR_GAIN = 4
"""By how much an error map is brighter than the error."""


@dataclass(frozen=True)
class SheetClip:
    """A clip and its reconstruction, uint8 `(T, 3, H, W)` each, of one size. title: what they are."""

    title: str
    original: Tensor
    reconstruction: Tensor
    fps: float = 8.0


def write_sheet(
    folder: Path,
    clips: Sequence[SheetClip],
    *,
    system: str,
    what: str = "rendered clips",
    errors: bool = False,
) -> None:
    """Write `sheet.json` and PNG files next to it: a row of original frames above the reconstructed ones.

    The first and the last frame are shown, and others evenly between.

    what: the clips in words. errors: add a row of error maps, and an MP4 of each clip, its reconstruction and
    their error side by side, which reports play.

    Raises:
        RunFolderError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    videos = []
    for number, clip in enumerate(clips):
        lines = [("original", "original", clip.original), ("tokens", system, clip.reconstruction)]
        if errors:
            error = error_map(clip.original, clip.reconstruction)
            lines.append(("error", f"{system}, error x {ERROR_GAIN}", error))
            name = f"clip-{number}.mp4"
            _write_video(folder / name, [clip.original, clip.reconstruction, error], fps=clip.fps)
            videos.append({"title": f"{clip.title}: original, {system}, error x {ERROR_GAIN}", "file": name})
        for kind, title, frames in lines:
            names = []
            for frame in _shown(len(frames)):
                name = f"clip-{number}-{kind}-{frame}.png"
                write_bytes(folder / name, _png(frames[frame]))
                names.append(name)
            rows.append({"title": title, "clip": clip.title, "frames": names})
    below = f"below each what the tokens of {system} show of it"
    alt = f"{len(clips)} {what}, {FRAMES_SHOWN} frames of each, and {below}"
    sheet: dict[str, object] = {"rows": rows, "alt": alt}
    write_json(folder / "sheet.json", {**sheet, "videos": videos} if videos else sheet)


def error_map(original: Tensor, reconstruction: Tensor) -> Tensor:
    """Absolute errors, mean over channels, times `ERROR_GAIN`, as grey frames uint8 `(T, 3, H, W)`.

    Example:
        >>> import torch
        >>> frames = torch.full((1, 3, 1, 1), 100, dtype=torch.uint8)
        >>> error_map(frames, frames + 10).flatten().tolist()
        [40, 40, 40]
    """
    import torch

    errors = (original.float() - reconstruction.float()).abs().mean(dim=1, keepdim=True)
    grey = (errors * ERROR_GAIN).round().clamp(0, 255).to(torch.uint8)
    return grey.expand(-1, 3, -1, -1)


def _write_video(path: Path, clips: Sequence[Tensor], *, fps: float) -> None:
    import torch

    from vtok_eval.data import Clip
    from vtok_eval.video.encode import encode

    encode(Clip(torch.cat(list(clips), dim=3), fps), path, crf=23)


def _shown(n_frames: int) -> list[int]:
    return sorted({round(part * (n_frames - 1) / (FRAMES_SHOWN - 1)) for part in range(FRAMES_SHOWN)})


def _png(frame: Tensor) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    picture = Image.fromarray(frame.permute(1, 2, 0).contiguous().numpy())
    picture.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
