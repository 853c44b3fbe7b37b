"""Keys of what the feature store keeps: frames by clip and number or by their pixels, and forms of clips."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from vtok_eval.tokenizers.feature_store.shards import KEY_BYTES

if TYPE_CHECKING:
    from vtok_eval.data import Clips

_BASE_BYTES = KEY_BYTES - 2
"""Of a frame's key: 112 bits; the last two bytes of a record's key say which array it is."""


def record_key(base: bytes, grid: int) -> bytes:
    r"""The key of one array of a frame: the frame's key and the grid that the array is of.

    Example:
        >>> record_key(b"a frame", 4)
        b'a frame\x04\x00'
    """
    return base + grid.to_bytes(2, "little")


def clip_frame_keys(clips: Clips, frames: Sequence[int], fingerprint: str) -> list[bytes]:
    """One key a frame, clip after clip: by the clip's key and the frame's number, else by the pixels.

    Example:
        >>> import torch
        >>> from vtok_eval.data import Clips
        >>> clips = Clips(torch.zeros(1, 8, 3, 4, 4, dtype=torch.uint8), torch.tensor([4.0]))
        >>> clips = clips.with_keys(["a clip"])
        >>> clip_frame_keys(clips, [5], "a backbone") == frame_keys("a clip", [5], "a backbone")
        True
    """
    keys: list[bytes] = []
    for row in range(len(clips)):
        key = clips.key_of(row)
        if key is not None:
            keys += frame_keys(key, frames, fingerprint)
        else:
            keys += pixel_keys(clips.pictures([(row, frame) for frame in frames]), fingerprint)
    return keys


def frame_keys(key: str, frames: Sequence[int], fingerprint: str) -> list[bytes]:
    """One key for each frame of the clip with this key, by the frame's number.

    Example:
        >>> [len(each) for each in frame_keys("a clip", [0, 5], "a backbone")]
        [14, 14]
    """
    salted = hashlib.sha256(f"{len(fingerprint)} {fingerprint} {key} ".encode())
    keys = []
    for frame in frames:
        digest = salted.copy()
        digest.update(b"%d" % frame)
        keys.append(digest.digest()[:_BASE_BYTES])
    return keys


def pixel_keys(frames: Tensor | Sequence[Tensor], fingerprint: str) -> list[bytes]:
    """One key a frame: of the SHA-256 of the backbone's fingerprint, the frame's shape and bytes.

    Example:
        >>> import torch
        >>> first, second = pixel_keys(torch.zeros(2, 3, 4, 4, dtype=torch.uint8), "a backbone")
        >>> first == second
        True
    """
    keys = []
    for frame in frames:
        array = frame.cpu().contiguous().numpy()
        digest = hashlib.sha256(f"pixels {fingerprint} {array.shape} ".encode())
        digest.update(array.data)
        keys.append(digest.digest()[:_BASE_BYTES])
    return keys


def form_key(key: str) -> bytes:
    """The key of a clip's form: its length, size and frame rate.

    Example:
        >>> len(form_key("a clip"))
        16
    """
    return hashlib.sha256(f"form {key}".encode()).digest()[:KEY_BYTES]
