"""Tokens on disk, by tokenizer and clip: each clip is encoded once, however many readers are trained."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vtok_eval.answerers.training.tokens.source import encode_each, refuse_all_failed
from vtok_eval.data import Tokens
from vtok_eval.errors import RunFolderError, TokenizerError, VideoError
from vtok_eval.tokenizers.feature_store.shards import KEY_BYTES, DamagedShardError
from vtok_eval.tokenizers.feature_store.store import FeatureStore

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vtok_eval.benchmark import ClipRunner, ClipSource, Sample
    from vtok_eval.systems import Tokenizer

    Shorts = NDArray[np.uint16]

_NO_BOUND = 2**62
"""The store never removes a shard to make room: a training would miss what it has counted on."""
_MOST = 2**16 - 1


class TokenTable:
    """A folder of clips' tokens by a tokenizer's identity and a clip's key; a `FeatureStore` without a bound.

    Killed at any moment, it keeps what was written; several processes may fill and read it.

    Example:
        >>> import tempfile, torch
        >>> folder = tempfile.TemporaryDirectory()
        >>> table = TokenTable(Path(folder.name), tokenizer="0" * 64)
        >>> table.put("clip-key", (Tokens.of(torch.ones(1, 31, 8).half()),))
        >>> table.view({"a.mp4": "clip-key"}).count("a.mp4")
        31
        >>> table.close(); folder.cleanup()
    """

    def __init__(self, folder: Path, *, tokenizer: str) -> None:
        """Of `tokenizer`, the SHA-256 of a tokenizer's identity; nothing is read yet."""
        self.folder, self.tokenizer = Path(folder), tokenizer
        self._store = FeatureStore(self.folder, max_bytes=_NO_BOUND)

    def close(self) -> None:
        """Close the files; the next use opens them again."""
        self._store.close()

    def has(self, keys: Sequence[str]) -> list[bool]:
        """Which clips are there, by key.

        Raises:
            RunFolderError: the folder cannot be read.
        """
        wanted = [self._key(key, _LAYOUT) for key in keys]
        if not all(self._store.has(wanted)):
            self._refresh()
        return self._store.has(wanted)

    def put(self, key: str, groups: Sequence[Tokens]) -> None:
        """Keep a clip's groups.

        Raises:
            RunFolderError: the disk is full or the folder cannot be written.
            TokenizerError: there are more tokens, groups or frames than the table can count.
        """
        values = {
            self._key(key, str(number)): group.values[0].numpy()
            for number, group in enumerate(groups)
            if group.values.shape[1]
        }
        try:
            # The layout last: a clip that has one is whole.
            self._store.put(values)
            self._store.put({self._key(key, _LAYOUT): _packed(groups).view(np.float16)})
        except OSError as error:
            raise RunFolderError(f"cannot write tokens to {self.folder}: {error.strerror}") from error

    def layout(self, key: str) -> TokenLayoutOnDisk:
        """Of a clip's groups, all but the values.

        Raises:
            KeyError: the clip is not there.
            RunFolderError: the table is damaged or cannot be read.
        """
        return _unpacked(self._read(self._key(key, _LAYOUT), key).view(np.uint16))

    def groups(self, key: str) -> tuple[Tokens, ...]:
        """A clip's groups, as they were given to `put`.

        Raises:
            KeyError: the clip is not there.
            RunFolderError: the table is damaged or cannot be read.
        """
        import torch

        layout = self.layout(key)
        groups = []
        for number, (length, width) in enumerate(layout.shapes):
            values = torch.zeros(1, length, width, dtype=torch.float16, device="cpu")
            if length:
                # A copy: the view of the file cannot be written, which torch would warn of.
                read = self._read(self._key(key, str(number)), key).copy()
                values = torch.from_numpy(read)[None]
            kind, frame = (torch.from_numpy(part.astype(np.int64))[None] for part in layout.places[number])
            groups.append(replace(Tokens.of(values), kind=kind, frame=frame))
        return tuple(groups)

    def view(self, keys: Mapping[str, str]) -> StoredTokens:
        """A `TokenSource` of the clips whose keys are given by name."""
        return StoredTokens(self, keys)

    def _read(self, stored: bytes, key: str) -> NDArray[np.float16]:
        for attempt in range(2):
            try:
                (found,) = self._store.get([stored])
            except DamagedShardError as error:
                raise RunFolderError(
                    f"tokens in {self.folder}: {error}; the part is removed: run the command again"
                ) from error
            except OSError as error:
                raise RunFolderError(f"cannot read tokens from {self.folder}: {error.strerror}") from error
            if found is not None:
                return found
            if attempt == 0:
                self._refresh()
        raise KeyError(key)

    def _refresh(self) -> None:
        try:
            self._store.refresh()
        except DamagedShardError:
            # What the shard held is missing now, and is computed again like any other missing clip.
            self._store.refresh()
        except OSError as error:
            raise RunFolderError(f"cannot read tokens from {self.folder}: {error.strerror}") from error

    def _key(self, key: str, part: str) -> bytes:
        text = f"{self.tokenizer}\n{key}\n{part}"
        return hashlib.blake2b(text.encode(), digest_size=KEY_BYTES).digest()


_LAYOUT = "layout"


@dataclass(frozen=True)
class TokenLayoutOnDisk:
    """shapes: (tokens, width) of each group. places: of each group, kinds and frames of its tokens.

    Example:
        >>> TokenLayoutOnDisk(shapes=((16, 8), (15, 8)), places=()).count
        31
    """

    shapes: tuple[tuple[int, int], ...]
    places: tuple[tuple[Shorts, Shorts], ...]

    @property
    def count(self) -> int:
        """Tokens of the clip."""
        return sum(length for length, _ in self.shapes)


@dataclass(frozen=True)
class StoredTokens:
    """A `TokenSource` that reads a table when it is asked. keys: clip's name -> its key in the table.

    Example:
        >>> StoredTokens(TokenTable(Path("tokens"), tokenizer="0" * 64), keys={}).widths
        ()
    """

    table: TokenTable
    keys: Mapping[str, str]

    @property
    def widths(self) -> tuple[int, ...]:
        """The width D of each group; empty where there are no clips."""
        first = next(iter(self.keys.values()), None)
        return () if first is None else tuple(width for _, width in self.table.layout(first).shapes)

    def of(self, clip: str) -> tuple[Tokens, ...]:
        """The groups of a clip."""
        return self.table.groups(self.keys[clip])

    def count(self, clip: str) -> int:
        """The clip's tokens; their values are not read."""
        return self.table.layout(self.keys[clip]).count


@dataclass(frozen=True)
class FilledTable:
    """What a table has of the clips that were asked for.

    keys: clip's name -> its key, of those that are there. encoded: how many were encoded by this call.
    failures: clip's name -> why it has no tokens.

    Example:
        >>> FilledTable({}, encoded=0, failures={"a.mp4": "a.mp4: is empty"}).failures
        {'a.mp4': 'a.mp4: is empty'}
    """

    keys: Mapping[str, str]
    encoded: int
    failures: Mapping[str, str]


def fill_table(
    table: TokenTable,
    tokenizer: Tokenizer,
    samples: Sequence[Sample],
    runner: ClipRunner,
    *,
    description: str,
) -> FilledTable:
    """Encode the samples' clips that the table does not have; clips are named by the samples' ids.

    Raises:
        TokenizerError: the tokenizer has no tokens of any clip, or changes their widths.
        RunFolderError: the table cannot be written.
    """
    keys, failures = _keys_of(samples)
    there = table.has(list(keys.values()))
    missing = {name for name, known in zip(keys, there, strict=True) if not known}
    wanted = [sample for sample in samples if sample.id in missing]
    if wanted:
        failures |= encode_each(
            tokenizer,
            wanted,
            runner,
            lambda name, groups: table.put(keys[name], groups),
            description=description,
        )
    refuse_all_failed(failures, len(samples), description=description)
    kept = {name: key for name, key in keys.items() if name not in failures}
    return FilledTable(kept, encoded=len(wanted) - len(missing & failures.keys()), failures=failures)


def _keys_of(samples: Sequence[Sample]) -> tuple[dict[str, str], dict[str, str]]:
    """The key of each sample's clip, and of those that have none, why."""
    keys: dict[str, str] = {}
    failures: dict[str, str] = {}
    for sample in samples:
        source: ClipSource | None = sample.clip
        if source is None:
            raise ValueError(f"sample {sample.id} has no clip")
        try:
            keys[sample.id] = source.key
        except VideoError as error:
            failures[sample.id] = str(error)
    return keys, failures


def _packed(groups: Sequence[Tokens]) -> Shorts:
    """[groups, then of each: tokens, width's low and high half; then of each: kinds, frames]."""
    head = [len(groups)]
    places = []
    for group in groups:
        length, width = group.values.shape[1:]
        head += [int(length), int(width) & _MOST, int(width) >> 16]
        places += [group.kind[0].numpy(), group.frame[0].numpy()]
    numbers = np.concatenate([np.array(head, dtype=np.int64), *places])
    if numbers.size and (numbers.min() < 0 or numbers.max() > _MOST):
        raise TokenizerError(f"a token table counts to {_MOST}: a clip has more tokens or frames")
    packed: Shorts = numbers.astype(np.uint16)
    return packed


def _unpacked(numbers: Shorts) -> TokenLayoutOnDisk:
    n_groups = int(numbers[0])
    head = numbers[1 : 1 + 3 * n_groups].reshape(n_groups, 3).astype(np.int64)
    shapes = tuple((int(length), int(low + (high << 16))) for length, low, high in head)
    places, start = [], 1 + 3 * n_groups
    for length, _ in shapes:
        kinds, frames = numbers[start : start + length], numbers[start + length : start + 2 * length]
        places.append((kinds, frames))
        start += 2 * length
    return TokenLayoutOnDisk(shapes, tuple(places))
