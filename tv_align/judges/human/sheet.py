"""Writes a labelling sheet: one self-contained HTML page, in shuffled order and blind to the system."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from tv_align.prompts.schema import Prompt
from tv_align.tracks.videos.matching import match_videos
from vtok_eval.errors import SpecError, VideoError
from vtok_eval.files.atomic import write_atomically
from vtok_eval.results.store import write_json
from vtok_eval.video.folder import VideoFolder
from vtok_eval.video.sources import VideoFile

if TYPE_CHECKING:
    from torch import Tensor

MAX_PAGE_BYTES = 400 * 2**20
"""A page much larger than this is more than browsers open."""
_PLAYED_BY_BROWSERS = {".mp4": "video/mp4", ".webm": "video/webm"}
_COMMON_PIXELS = {"yuv420p", "yuvj420p"}
KEY_VERSION = 1


@dataclass(frozen=True)
class SheetVideo:
    """A video to be labelled: which system made it, for which prompt, and which of the prompt's it is."""

    system: str
    prompt: Prompt
    index: int
    path: Path


@dataclass(frozen=True)
class RatingSheet:
    """page: for the raters. key: which question of which video each answer belongs to; not for the raters.
    unreadable: file -> why it is left out of the page; it counts as failed when the answers are read."""

    page: Path
    key: Path
    n_questions: int
    unreadable: dict[str, str]


def sheet_videos(system: str, folder: VideoFolder, prompts: Sequence[Prompt]) -> list[SheetVideo]:
    """The videos that a folder holds of the prompts; what is missing is left out.

    Raises:
        VideoError, SpecError: as for `VideoFolder.entries` and `match_videos`.
    """
    matched = match_videos(prompts, folder.entries(), folder=folder.path)
    return [
        SheetVideo(system, each.prompt, each.index, each.path) for each in matched.expected if each.present
    ]


def write_sheet(videos: Sequence[SheetVideo], folder: Path, *, seed: int) -> RatingSheet:
    """Write `sheet.html` and `key.json` into `folder`, which is made.

    Videos are shuffled over all systems and questions within each video; neither prompts, file names nor
    systems are in the page. MP4 and WebM files that every browser plays are embedded as they are, others as
    MP4.

    Raises:
        SpecError: no video, none that can be read, or more than a browser opens.
        RunFolderError: the folder cannot be written.
    """
    rng = random.Random(seed)
    order = list(videos)
    rng.shuffle(order)
    unreadable: dict[str, str] = {}
    embedded: list[str] = []
    items: list[dict[str, object]] = []
    key: dict[str, dict[str, object]] = {}
    for video in order:
        try:
            fingerprint = clip_fingerprint(VideoFile(video.path, max_frames=2).load().frames)
            embedded.append(_data_url(video.path))
        except VideoError as error:
            unreadable[str(video.path)] = str(error)
            continue
        questions = list(video.prompt.questions)
        rng.shuffle(questions)
        for question in questions:
            name = _opaque(seed, video, question.id)
            items.append({"key": name, "video": len(embedded) - 1, "question": question.text})
            key[name] = {
                "system": video.system,
                "prompt_id": video.prompt.id,
                "prompt": video.prompt.text,
                "category": video.prompt.category,
                "index": video.index,
                "question": question.text,
                "expected": question.answer,
                "fingerprint": fingerprint,
            }
    if not items:
        raise SpecError(f"a labelling sheet needs videos that can be read; {len(unreadable)} could not")
    _check_size(embedded)
    identity = hashlib.sha256("".join(sorted(key)).encode()).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    page, key_file = folder / "sheet.html", folder / "key.json"
    text = _page({"id": identity, "items": items, "videos": embedded})
    write_atomically(page, lambda target: target.write_text(text, encoding="utf-8"))
    failed = [
        {"system": video.system, "prompt_id": video.prompt.id, "category": video.prompt.category,
         "index": video.index, "reason": unreadable[str(video.path)]}
        for video in order if str(video.path) in unreadable
    ]  # fmt: skip
    write_json(key_file, {"key_version": KEY_VERSION, "sheet": identity, "items": key, "failed": failed})
    return RatingSheet(page, key_file, len(items), unreadable)


def clip_fingerprint(frames: Tensor) -> str:
    """Names a clip by its size and its first and last frame, `frames` being uint8 `(T, 3, H, W)`: the same
    however many frames between are taken."""
    digest = hashlib.sha256(repr(tuple(frames.shape[1:])).encode())
    for frame in (frames[0], frames[-1]):
        digest.update(frame.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:24]


def _opaque(seed: int, video: SheetVideo, question_id: str) -> str:
    identity = f"{seed}\n{video.system}\n{video.prompt.id}\n{video.index}\n{question_id}"
    return hashlib.sha256(identity.encode()).hexdigest()[:16]


def _data_url(path: Path) -> str:
    kind = _PLAYED_BY_BROWSERS.get(path.suffix.lower()) if _has_common_pixels(path) else None
    data = path.read_bytes() if kind else _as_mp4(path)
    return f"data:{kind or 'video/mp4'};base64,{base64.b64encode(data).decode('ascii')}"


def _has_common_pixels(path: Path) -> bool:
    """Whether a video is stored as 4:2:0. Reconstructions are kept in RGB, which not every browser plays."""
    import av

    with av.open(f"file:{path}") as container:
        return container.streams.video[0].pix_fmt in _COMMON_PIXELS


def _as_mp4(path: Path) -> bytes:
    from vtok_eval.video.encode import encode

    with tempfile.TemporaryDirectory(prefix="vtok-eval-sheet-") as folder:
        target = Path(folder) / "clip.mp4"
        encode(VideoFile(path).load(), target)
        return target.read_bytes()


def _check_size(embedded: Sequence[str]) -> None:
    total = sum(len(each) for each in embedded)
    if total > MAX_PAGE_BYTES:
        raise SpecError(
            f"the sheet's {len(embedded)} videos make a page of {total / 2**20:.0f} MiB, more than browsers "
            f"open ({MAX_PAGE_BYTES // 2**20} MiB): write sheets of fewer prompts, or smaller videos"
        )


def _page(content: dict[str, object]) -> str:
    template = (resources.files("tv_align.judges.human") / "sheet.html").read_text(encoding="utf-8")
    # "<" is not allowed in a script: "</script>" would end it.
    data = json.dumps(content, ensure_ascii=True).replace("<", "\\u003c")
    return template.replace("/*SHEET*/", data)
