"""Videos that are made for a run: a generator's from prompts, a tokenizer's reconstructions of other videos.

A benchmark plans with their entries and has each made (`ensure`) just before it opens the file. They are in
the run folder, so a killed run continues with those it has. A JSON file of the same name next to each video
says how it was made.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from vtok_eval.data import Clip, Clips, check_tokens
from vtok_eval.errors import GenerationError
from vtok_eval.results.shape_change import OUTPUT as DECODED
from vtok_eval.results.store import write_json
from vtok_eval.video.encode import encode
from vtok_eval.video.folder import VideoEntry, VideoFolder
from vtok_eval.video.returned_clips import checked_clips, shape_change
from vtok_eval.video.sources import VideoFile

if TYPE_CHECKING:
    import torch

    from vtok_eval.systems import DecodingTokenizer, Generator

VIDEOS_PER_PROMPT = 5
"""How many videos VBench's protocol makes of a prompt."""

_LONGEST_NAME_BYTES = 240
"""File systems end names at 255 bytes."""


@runtime_checkable
class MadeVideos(Protocol):
    """Videos that are each made when first needed."""

    @property
    def path(self) -> Path:
        """The folder that holds them."""
        ...

    def ensure(self, entry: VideoEntry) -> None:
        """Make the video at `entry.path` unless it is there; threads may call it together.

        Raises:
            VtokEvalError: it could not be made; one line says why.
        """
        ...


@dataclass(frozen=True)
class GeneratedVideos:
    """A generator's videos, `{prompt}-{index}.mp4`; the subject of a system of kind "generator".

    Video `index` of a prompt is made with the seed `seed + index`, so that it can be made again by hand.
    """

    generator: Generator
    path: Path
    seed: int
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    def entries_for(
        self, prompts: Sequence[str], *, per_prompt: int = VIDEOS_PER_PROMPT
    ) -> tuple[VideoEntry, ...]:
        """The videos that there will be of these prompts, in order; nothing is made yet."""
        return tuple(
            VideoEntry(path=self.path / _file_name(prompt, index), prompt=prompt, index=index)
            for prompt in prompts
            for index in range(per_prompt)
        )

    def ensure(self, entry: VideoEntry) -> None:
        """Generate the video, at x264's crf 18, unless it is there.

        Raises:
            GenerationError: the generator raised, or gave something else than one clip.
            VideoError: the clip cannot be written.
        """
        if entry.prompt is None or entry.index is None:
            raise ValueError(f"{entry.path} has no prompt or index to be generated from")
        with self._lock:
            if entry.path.is_file():
                return
            seed = self.seed + entry.index
            clip = _generate(self.generator, entry.prompt, seed)
            _write(clip, entry.path, {"prompt": entry.prompt, "index": entry.index, "seed": seed})


@dataclass(frozen=True)
class ReconstructedVideos:
    """What a tokenizer decodes from its tokens for a folder's videos; subject of a system of kind "videos".

    Each has the name of its original and is stored losslessly, so that the two differ only by what the
    tokens lose.
    """

    tokenizer: DecodingTokenizer
    source: VideoFolder
    path: Path
    device: torch.device
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    def entries(self) -> tuple[VideoEntry, ...]:
        """A reconstruction for every video of the source, in the source's order.

        Raises:
            VideoError: as `VideoFolder.entries`.
        """
        return tuple(replace(entry, path=path) for path, entry in self._originals.items())

    def original(self, entry: VideoEntry) -> Path:
        """The video that the entry is a reconstruction of."""
        return self._originals[entry.path].path

    def name_of_original(self, entry: VideoEntry) -> str:
        """What that video is called in its folder, as `VideoFolder.name_of`."""
        return self.source.name_of(self.original(entry))

    @cached_property
    def _originals(self) -> Mapping[Path, VideoEntry]:
        entries = self.source.entries()
        stems = Counter(entry.path.stem for entry in entries)
        names = [self._file_name(entry, alone=stems[entry.path.stem] == 1) for entry in entries]
        return {self.path / name: entry for name, entry in zip(names, entries, strict=True)}

    def _file_name(self, entry: VideoEntry, *, alone: bool) -> str:
        """The original's name; with a hash before it where two have one (two suffixes, or two folders)."""
        mark = "" if alone else f"{_short_hash(self.source.name_of(entry.path))}-"
        return f"{mark}{entry.path.stem}.mp4"

    def ensure(self, entry: VideoEntry) -> None:
        """Encode the original, decode its tokens and write the clip, unless it is there.

        Raises:
            VideoError: the original cannot be decoded, or the clip not written.
            GenerationError: the tokenizer raised, or decoded something else than one clip.
            TokenizerError: its tokens break the protocol.
        """
        with self._lock:
            if entry.path.is_file():
                return
            original = self.original(entry)
            name = self.source.name_of(original)
            clip, made = self._reconstruct(VideoFile(original).load(), name=name)
            _write(clip, entry.path, {"original": name, **made}, lossless=True)

    def _reconstruct(self, clip: Clip, *, name: str) -> tuple[Clip, dict[str, object]]:
        """The decoded clip and its note: its tokens, and what `decode` changed."""
        import torch

        clips = Clips.stack([Clip(clip.frames.to(self.device), clip.fps)])
        try:
            with torch.inference_mode():
                tokens = self.tokenizer.encode(clips)
                check_tokens(tokens, n_clips=1)
                decoded = self.tokenizer.decode(tokens)
        except Exception as error:
            raise _failed(f"{name} could not be reconstructed", error) from error
        checked = checked_clips(decoded, n_clips=1, made_by="decode")
        change = shape_change(clips, checked)
        return _alone(checked), {
            "tokens": int(tokens.count()[0]),
            "bits": float(tokens.bits()[0]),
            DECODED: change.to_json(),
        }


@dataclass(frozen=True)
class MadeVideo:
    """A made video as a `ClipSource`: has it made, then reads `file`, which is at `entry.path`."""

    videos: MadeVideos
    entry: VideoEntry
    file: VideoFile

    @property
    def key(self) -> str:
        """Names the content, as `VideoFile.key`; makes the video.

        Raises:
            VtokEvalError: as `MadeVideos.ensure`.
        """
        self.videos.ensure(self.entry)
        return self.file.key

    def load(self) -> Clip:
        """Make the video if necessary, and decode it.

        Raises:
            VtokEvalError: as `MadeVideos.ensure` and `VideoFile.load`.
        """
        self.videos.ensure(self.entry)
        return self.file.load()


def how_made(video: Path) -> Mapping[str, object]:
    """The note next to a made video: prompt, index and seed; or original, tokens and `ShapeChange`.

    Empty for a video that was not made for a run.
    """
    note = video.with_suffix(".json")
    return json.loads(note.read_text(encoding="utf-8")) if note.is_file() else {}


def _generate(generator: Generator, prompt: str, seed: int) -> Clip:
    import torch

    try:
        with torch.inference_mode():
            clips = generator.generate([prompt], [seed])
    except Exception as error:
        raise _failed(f"no video of {prompt!r} (seed {seed})", error) from error
    return _alone(checked_clips(clips, n_clips=1, made_by="generate"))


def _failed(what: str, error: Exception) -> GenerationError:
    return GenerationError(f"{what}: {type(error).__name__}: {' '.join(str(error).split())}")


def _alone(clips: Clips) -> Clip:
    """The clip of a batch of one, on the CPU."""
    return Clip(clips.frames[0].cpu(), float(clips.fps[0]))


def _write(clip: Clip, path: Path, note: Mapping[str, object], *, lossless: bool = False) -> None:
    """The note first: a video that is there has its note."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path.with_suffix(".json"), {**note, "n_frames": len(clip.frames)})
    if lossless:
        encode(clip, path, crf=0, codec="libx264rgb")
    else:
        encode(clip, path)


def _file_name(prompt: str, index: int) -> str:
    """VBench's name of a video; for a prompt that no file can be called after, a hash of it instead."""
    usable = len(prompt.encode()) <= _LONGEST_NAME_BYTES and not prompt.startswith(".")
    usable = usable and not any(character in prompt for character in "/\\\0\n")
    return f"{prompt if usable else _short_hash(prompt)}-{index}.mp4"


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
