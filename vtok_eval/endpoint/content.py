"""Messages to a vision model: a clip's frames as pictures or as one video, with the text after them."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from vtok_eval.errors import SpecError

if TYPE_CHECKING:
    from torch import Tensor

    from vtok_eval.data import Clip

FrameFormat = Literal["jpeg", "png", "video"]
Message = Mapping[str, Any]


def user_message(text: str, frames: Clip | None = None, *, frame_format: FrameFormat = "jpeg") -> Message:
    """One user message: the frames, all of those of the clip that is given, then the text.

    frame_format: "jpeg" (quality 90) and "png" send each frame as a picture, "video" one mp4 part
        (`video_url`, which vLLM and SGLang take; it has the clip's frame rate).
    """
    parts = [] if frames is None else frame_parts(frames, frame_format)
    return {"role": "user", "content": [*parts, {"type": "text", "text": text}]}


def system_message(text: str) -> Message:
    """One system message.

    Example:
        >>> system_message("Answer with one letter.")
        {'role': 'system', 'content': 'Answer with one letter.'}
    """
    return {"role": "system", "content": text}


def frame_parts(clip: Clip, frame_format: FrameFormat) -> Sequence[Mapping[str, Any]]:
    """The clip's frames as content parts; equal frames always give equal bytes.

    Raises:
        SpecError: no such format.
    """
    if frame_format == "video":
        return [{"type": "video_url", "video_url": {"url": _data_url("video/mp4", _mp4(clip))}}]
    if frame_format not in ("jpeg", "png"):
        raise SpecError(f"frames are sent as jpeg, png or video, not {frame_format!r}")
    return [
        {"type": "image_url", "image_url": {"url": _data_url(f"image/{frame_format}", picture)}}
        for picture in (_picture(frame, frame_format) for frame in clip.frames)
    ]


def _picture(frame: Tensor, frame_format: str) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    image = Image.fromarray(frame.permute(1, 2, 0).cpu().contiguous().numpy())
    options = {"quality": 90, "subsampling": 0} if frame_format == "jpeg" else {"compress_level": 6}
    image.save(buffer, format=frame_format, **options)
    return buffer.getvalue()


def _data_url(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def _mp4(clip: Clip) -> bytes:
    import tempfile
    from pathlib import Path

    from vtok_eval.video.encode import encode

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        encode(clip, path)
        return path.read_bytes()
