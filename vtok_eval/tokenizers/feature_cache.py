"""The feature cache: a frame passes through a backbone once, however many tokenizers read of its map."""

from __future__ import annotations

import logging
import struct
import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from torch import Tensor

from vtok_eval.data import ClipForm
from vtok_eval.devices.constants import integers
from vtok_eval.devices.transfer import transfer_to
from vtok_eval.tokenizers.backbones.base import WHOLE, Backbone, FrameFeatures
from vtok_eval.tokenizers.feature_store.computed import ComputedFrames
from vtok_eval.tokenizers.feature_store.keys import (
    clip_frame_keys,
    form_key,
    frame_keys,
    pixel_keys,
    record_key,
)
from vtok_eval.tokenizers.feature_store.shards import DamagedShardError, StoreTooSmallError
from vtok_eval.tokenizers.feature_store.store import FeatureStore

if TYPE_CHECKING:
    from vtok_eval.data import Clips
    from vtok_eval.tokenizers.feature_store.shards import Halves

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")
_WHOLE_AS_ASKED = 2**16 - 1
"""Marks whole maps that a tokenizer asked for, of any size: no grid is ever read from them."""
_FORM = struct.Struct("<QQQd")


class FeatureCache:
    """Half-precision features of frames on disk, by clip, frame and the backbone's fingerprint.

    Kept is what is read: the cells of the grids that tokenizers announced, or the whole map where it is small
    or was asked for. A frame of a clip with a key is found by that key and the frame's number, so that a warm
    run neither decodes nor hashes pixels; any other frame by its pixels.

    Several processes may share the folder and be killed at any moment (see `FeatureStore`). A cache that
    cannot be read or written costs a warning and time, never a result: each array is checked against its CRC,
    a damaged shard is thrown away, and on a full disk the run continues without writing.

    folder: of the shards. max_bytes: their bound; what was not used for longest goes first, to the day.
    hits, misses: distinct frames per call that were read from the cache, or that the backbone computed.
    unwritten: frames that could not be kept.

    Example:
        >>> import tempfile
        >>> cache = FeatureCache(Path(tempfile.mkdtemp()), max_bytes=2**20)
        >>> print(cache.form_of("a clip that was never read"))
        None
        >>> cache.close()
    """

    def __init__(self, folder: Path, max_bytes: int = 4 * 2**30) -> None:
        self.folder = Path(folder)
        self.max_bytes = max_bytes
        self.hits = 0
        self.misses = 0
        self.unwritten = 0
        self._lock = threading.Lock()
        self._store = FeatureStore(self.folder, max_bytes=max_bytes)
        self._writable = True
        self._under_way: deque[ComputedFrames] = deque()

    def close(self) -> None:
        """Write what is still to be written and close the files; the next use opens them again."""
        self.write_all()
        with self._lock:
            self._store.close()
        if self.unwritten:
            _log.warning("feature cache %s: %d frames could not be kept", self.folder, self.unwritten)

    def write_all(self) -> None:
        """Wait for what is on its way from a device, and write it."""
        with self._lock:
            wanted = {key for each in self._under_way for key in each.keys}
        self._write_arrived(wanted=wanted)

    def maps(self, backbone: Backbone, frames: Tensor) -> Tensor:
        """`backbone.maps(frames)`; only frames that are not in the cache pass through the network.

        frames: uint8 `(N, 3, H, W)`. Gives float16 `(N, C, gh, gw)` on the backbone's device.
        """
        keys = pixel_keys(frames, backbone.fingerprint)

        def compute(rows: Sequence[int]) -> FrameFeatures:
            chosen = frames if len(rows) == len(frames) else frames[list(rows)]
            return {_WHOLE_AS_ASKED: backbone.maps(chosen)}

        return self._features(keys, (_WHOLE_AS_ASKED,), compute, backbone.device)[_WHOLE_AS_ASKED]

    def clip_features(
        self,
        backbone: Backbone,
        clips: Clips,
        frames: Sequence[int],
        grids: Collection[int],
        *,
        keep: Collection[int] = (),
    ) -> FrameFeatures:
        """`backbone.clip_features(clips, frames, grids)`; kept frames do not pass through the network.

        keep: grids that are kept as well of frames that do pass.
        """
        keys = clip_frame_keys(clips, frames, backbone.fingerprint)
        places = [(row, frame) for row in range(len(clips)) for frame in frames]

        def compute(rows: Sequence[int]) -> FrameFeatures:
            pictures = clips.pictures([places[row] for row in rows])
            return backbone.features(pictures, {*grids, *keep})

        before = self.misses
        found = self._features(keys, tuple(sorted(set(grids))), compute, backbone.device)
        if self.misses > before:
            self._note_forms(clips)
        return found

    def form_of(self, key: str) -> ClipForm | None:
        """The form of a clip with frames in the cache; None if unknown."""
        (found,) = self._guarded(lambda: self._store.get([form_key(key)])) or [None]
        return None if found is None else ClipForm(*_FORM.unpack(found.tobytes()))

    def has(self, backbone: Backbone, key: str, frames: Sequence[int], grids: Sequence[int]) -> bool:
        """Whether the grids of these frames of a clip can be read without its pixels."""
        bases = frame_keys(key, frames, backbone.fingerprint)

        def complete() -> bool:
            if all(self._store.has([record_key(base, WHOLE) for base in bases])):
                return True
            return all(self._store.has([record_key(base, grid) for base in bases for grid in grids]))

        return bool(self._guarded(complete) or (self._guarded(self._refreshed) and self._guarded(complete)))

    def _features(
        self,
        keys: Sequence[bytes],
        grids: tuple[int, ...],
        compute: Callable[[Sequence[int]], FrameFeatures],
        device: torch.device,
    ) -> FrameFeatures:
        """The data of frames, in order, on the device. compute: returns it for frames at positions.

        What is computed is written once it has arrived on the host, which may be in a later call.
        """
        first_at = {key: position for position, key in reversed(list(enumerate(keys)))}
        distinct = sorted(first_at, key=first_at.__getitem__)
        self._write_arrived(wanted=set(distinct))
        found = self._read(distinct, grids)
        missing = [key for key in distinct if key not in found]
        self.hits += len(found)
        self.misses += len(missing)
        if not missing:
            return _stacked([found[key] for key in keys], grids, device)
        computed = compute([first_at[key] for key in missing])
        transfer = transfer_to(device)
        self._under_way.append(
            ComputedFrames(missing, {grid: transfer.download(values) for grid, values in computed.items()})
        )
        self._write_arrived()
        read = (WHOLE,) if WHOLE in computed else grids
        if list(keys) == missing:
            return {grid: computed[grid] for grid in read}
        place = {key: row for row, key in enumerate([*missing, *found])}
        order = integers(tuple(place[key] for key in keys), device)
        if not found:
            return {grid: computed[grid].index_select(0, order) for grid in read}
        stored = _stacked(list(found.values()), grids, device)
        return {grid: torch.cat([computed[grid], stored[grid]]).index_select(0, order) for grid in read}

    def _write_arrived(self, *, wanted: Collection[bytes] = ()) -> None:
        """Write what has arrived on the host; what is `wanted`, or came before that, is waited for."""
        with self._lock:
            last = max(
                (n for n, each in enumerate(self._under_way) if not each.keys.isdisjoint(wanted)), default=-1
            )
            arrived: list[ComputedFrames] = []
            while self._under_way and (last >= len(arrived) or self._under_way[0].done):
                arrived.append(self._under_way.popleft())
        for each in arrived:
            self._write(each.by_frame())

    def _read(self, keys: Sequence[bytes], grids: tuple[int, ...]) -> dict[bytes, dict[int, Halves]]:
        """Of the frames that are kept: their small maps, or all of the grids."""
        found = self._gathered(keys, grids)
        if len(found) < len(keys) and self._guarded(self._refreshed):
            found = self._gathered(keys, grids)
        if self._writable:
            read = {
                record_key(key, grid): array for key, each in found.items() for grid, array in each.items()
            }
            self._guarded(lambda: self._store.keep(read))
        return found

    def _refreshed(self) -> bool:
        self._store.refresh()
        return True

    def _gathered(self, keys: Sequence[bytes], grids: tuple[int, ...]) -> dict[bytes, dict[int, Halves]]:
        per_frame = (WHOLE, *grids)
        records = [record_key(key, grid) for key in keys for grid in per_frame]
        arrays = self._guarded(lambda: self._store.get(records)) or [None] * len(records)
        found: dict[bytes, dict[int, Halves]] = {}
        for number, key in enumerate(keys):
            start = number * len(per_frame)
            whole, *cells = arrays[start : start + len(per_frame)]
            there = [each for each in cells if each is not None]
            if whole is not None:
                # Small maps are kept whole, so that they are also what is asked for as whole maps.
                found[key] = {_WHOLE_AS_ASKED if grids == (_WHOLE_AS_ASKED,) else WHOLE: whole}
            elif len(there) == len(grids):
                found[key] = dict(zip(grids, there, strict=True))
        return found

    def _write(self, features: Mapping[bytes, Mapping[int, Halves]]) -> None:
        if not self._writable:
            self.unwritten += len(features)
            return
        arrays = {
            record_key(key, grid): array for key, each in features.items() for grid, array in each.items()
        }

        def put() -> bool:
            self._store.put(arrays)
            return True

        if not self._guarded(put):
            self.unwritten += len(features)

    def _note_forms(self, clips: Clips) -> None:
        """Keep the form of clips whose frames were computed, so that they need not be loaded to know it."""
        forms = {}
        for row in range(len(clips)):
            key = clips.key_of(row)
            if key is not None:
                packed = _FORM.pack(clips.n_frames, *clips.size, clips.fps_of(row))
                forms[form_key(key)] = np.frombuffer(packed, dtype=np.float16)
        if forms and self._writable:
            self._guarded(lambda: self._store.put(forms))

    def _guarded(self, action: Callable[[], _Result]) -> _Result | None:
        """What `action` gives; None where the store fails, which is logged and dealt with."""
        with self._lock:
            while True:
                try:
                    return action()
                except DamagedShardError as error:
                    # The shard is gone; what it held is computed again.
                    _log.warning(
                        "feature cache %s: a shard was corrupt and is removed: %s", self.folder, error
                    )
                except (OSError, StoreTooSmallError) as error:
                    self._stop_writing(str(error))
                    return None

    def _stop_writing(self, reason: str) -> None:
        if self._writable:
            _log.warning("feature cache %s is not written any more in this run: %s", self.folder, reason)
        self._writable = False


def write_features(tokenizer: object) -> None:
    """Write to the cache, if a tokenizer has one, what its backbone has computed and that is on its way.

    Example:
        >>> write_features(object())  # has no cache
    """
    cache = getattr(getattr(getattr(tokenizer, "inner", tokenizer), "backbone", None), "cache", None)
    if isinstance(cache, FeatureCache):
        cache.write_all()


def _stacked(
    frames: Sequence[Mapping[int, Halves]], grids: tuple[int, ...], device: torch.device
) -> FrameFeatures:
    """What is stored of frames, in order, on the device."""
    read = (WHOLE,) if WHOLE in frames[0] else grids
    transfer = transfer_to(device)
    return {grid: transfer.send(torch.from_numpy(np.stack([each[grid] for each in frames]))) for grid in read}
