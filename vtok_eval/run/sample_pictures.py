"""Filmstrips of a run's clips, and of what systems decode from their tokens of them."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from vtok_eval.errors import MissingDependencyError, VtokEvalError, one_line
from vtok_eval.files.atomic import write_bytes
from vtok_eval.run.jobs import build_context
from vtok_eval.run.plan import build_benchmark, fingerprint
from vtok_eval.run.recording import without_places
from vtok_eval.run.settings import RunSettings
from vtok_eval.run.suite import BenchmarkEntry, Suite, SystemEntry
from vtok_eval.specs.systems import VideoMaking, build_system
from vtok_eval.systems import DecodingTokenizer, System, SystemKind

if TYPE_CHECKING:
    import torch

    from vtok_eval.benchmark import Benchmark, Sample
    from vtok_eval.data import Clip
    from vtok_eval.results.run_view import RunView

log = logging.getLogger(__name__)

COLUMNS = 8
"""Frames in a row of a filmstrip."""
MOST_FRAMES = 64
SHORT_SIDE = 160
"""Pixels; larger clips are made smaller."""
QUALITY = 88


class SamplePictures:
    """Filmstrips of one run, each made once and kept in the cache folder.

    What the run measured is built again from run.json. A system that cannot be (its file is gone, say) has no
    strips, and a note says why.

    run: as `open_run` gives it. cache: the user's cache folder. device: where systems decode.

    Example:
        >>> from vtok_eval import open_run
        >>> import torch
        >>> run = open_run("runs/mini")  # doctest: +SKIP
        >>> pictures = SamplePictures(run, cache=Path("cache"), device=torch.device("cpu"))  # doctest: +SKIP
        >>> pictures.of("understanding-scenes", "scenes-v1/...", ["vtok-mean"])  # doctest: +SKIP
    """

    def __init__(self, run: RunView, *, cache: Path, device: torch.device) -> None:
        self._run, self._cache, self._device = run, cache, device
        self._benchmarks: dict[str, Benchmark | str] = {}
        self._samples: dict[tuple[str, str], Mapping[str, Sample] | str] = {}
        self._systems: dict[str, System | str] = {}

    def of(self, benchmark: str, sample_id: str, systems: Sequence[str]) -> dict[str, object]:
        """A sample's truth, the filmstrip of its clip, and those of each system that can decode.

        Returns:
            JSON: `truth`; `strips`, each with `name`, `source` (a data URI), `n`, `columns`, `width`,
            `height` and `fps`; `notes`, one line for each thing that could not be shown.
        """
        notes: list[str] = []
        sample = self._sample(benchmark, sample_id, systems, notes)
        if sample is None:
            return {"truth": None, "strips": [], "notes": notes}
        strips = []
        clip = self._loaded(sample, notes)
        if clip is not None:
            strips.append({"name": "original", **self._strip(clip, key=_source_key(sample))})
            for name in systems:
                decoded = self._decoded(name, sample, clip, notes)
                if decoded is not None:
                    strips.append({"name": name, **decoded})
        return {"truth": without_places(sample.target), "strips": strips, "notes": list(dict.fromkeys(notes))}

    def _sample(
        self, benchmark: str, sample_id: str, systems: Sequence[str], notes: list[str]
    ) -> Sample | None:
        """The sample, as the first of the systems that has it meets it."""
        for name in systems:
            key = (benchmark, name)
            if key not in self._samples:
                self._samples[key] = self._samples_of(benchmark, name)
            found = self._samples[key]
            if isinstance(found, str):
                notes.append(found)
            elif sample_id in found:
                return found[sample_id]
        return None

    def _samples_of(self, benchmark: str, name: str) -> Mapping[str, Sample] | str:
        built, system = self._benchmark(benchmark), self._system(name)
        if isinstance(built, str) or isinstance(system, str):
            return next(text for text in (built, system) if isinstance(text, str))
        try:
            return {sample.id: sample for sample in built.samples(system)}
        except VtokEvalError as error:
            return f"{benchmark}: {one_line(error)}"

    def _benchmark(self, benchmark: str) -> Benchmark | str:
        if benchmark not in self._benchmarks:
            entry = next(entry for entry in self._run.benchmarks if entry.id == benchmark)
            try:
                made = build_benchmark(
                    BenchmarkEntry(name=entry.name, id=entry.id, options=dict(entry.options))
                )
                self._benchmarks[benchmark] = made
            except (VtokEvalError, ValueError) as error:
                self._benchmarks[benchmark] = f"{benchmark} cannot be built here: {one_line(error)}"
        return self._benchmarks[benchmark]

    def _system(self, name: str) -> System | str:
        if name not in self._systems:
            try:
                entry = next(entry for entry in self._suite.systems if entry.name == name)
                context = build_context(self._suite, RunSettings(), device=self._device, cache=self._cache)
                making = VideoMaking(self._run.path / "videos", int(self._run.info.get("seed", 0)))
                self._systems[name] = build_system(entry, context, making)
            except (VtokEvalError, StopIteration) as error:
                self._systems[name] = f"{name} cannot be built here: {one_line(error)}"
        return self._systems[name]

    @cached_property
    def _suite(self) -> Suite:
        entries = [SystemEntry(name=entry.name, spec=entry.spec) for entry in self._run.systems]
        benchmarks = [BenchmarkEntry(name=entry.name, id=entry.id) for entry in self._run.benchmarks]
        return Suite(
            name="view", label="view", setting="custom", systems=tuple(entries), benchmarks=tuple(benchmarks)
        )

    def _loaded(self, sample: Sample, notes: list[str]) -> Clip | None:
        if sample.clip is None:
            path = sample.target.get("path")
            if not isinstance(path, str):
                notes.append("this benchmark's samples have no clip")
                return None
            from vtok_eval.video.sources import VideoFile

            return self._attempt(lambda: VideoFile(Path(path), max_frames=MOST_FRAMES).load(), notes)
        return self._attempt(sample.clip.load, notes)

    @staticmethod
    def _attempt(load: Callable[[], Clip], notes: list[str]) -> Clip | None:
        try:
            return load()
        except VtokEvalError as error:
            notes.append(f"the clip cannot be shown: {one_line(error)}")
            return None

    def _decoded(
        self, name: str, sample: Sample, clip: Clip, notes: list[str]
    ) -> Mapping[str, object] | None:
        system = self._system(name)
        if isinstance(system, str):
            notes.append(system)
            return None
        if system.kind is not SystemKind.TOKENIZER:
            return None
        key = f"{_source_key(sample)} {fingerprint(system)}"
        kept = self._kept(key)
        if kept is not None:
            return kept
        try:
            decoded = _decode(system, clip, self._device)
        except MissingDependencyError:
            return None  # neither its own `decode` nor a trained decoder: there is nothing to show
        except Exception as error:
            notes.append(f"{name} could not decode: {one_line(error)}")
            log.debug("%s could not decode", name, exc_info=True)
            return None
        return self._strip(decoded, key=key)

    def _strip(self, clip: Clip, *, key: str) -> Mapping[str, object]:
        kept = self._kept(key)
        if kept is None:
            kept = filmstrip(clip)
            write_bytes(self._file(key), json.dumps(kept).encode())
        return kept

    def _kept(self, key: str) -> Mapping[str, object] | None:
        file = self._file(key)
        if not file.is_file():
            return None
        content: Mapping[str, object] = json.loads(file.read_text(encoding="utf-8"))
        return content

    def _file(self, key: str) -> Path:
        folder = self._cache / "filmstrips"
        folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(f"{key} {COLUMNS} {MOST_FRAMES} {SHORT_SIDE} {QUALITY}".encode()).hexdigest()
        return folder / f"{name}.json"


def filmstrip(clip: Clip) -> dict[str, object]:
    """A clip as one picture, its frames in rows of `COLUMNS`, and what a player needs to know.

    Long clips are sampled evenly and large ones made smaller.

    Args:
        clip: uint8 `(T, 3, H, W)`.

    Example:
        >>> import torch
        >>> from vtok_eval.data import Clip
        >>> strip = filmstrip(Clip(torch.zeros(10, 3, 16, 24, dtype=torch.uint8), fps=8.0))
        >>> strip["n"], strip["width"], strip["height"], strip["fps"]
        (10, 24, 16, 8.0)
    """
    import numpy as np
    import torch
    from PIL import Image

    frames, fps = clip.frames, float(clip.fps)
    if len(frames) > MOST_FRAMES:
        chosen = torch.linspace(0, len(frames) - 1, MOST_FRAMES, device="cpu").round().long()
        fps *= MOST_FRAMES / len(frames)
        frames = frames[chosen]
    pictures = [Image.fromarray(frame.permute(1, 2, 0).cpu().numpy()) for frame in frames]
    scale = SHORT_SIDE / min(pictures[0].size)
    if scale < 1:
        size = tuple(round(side * scale) for side in pictures[0].size)
        pictures = [picture.resize((size[0], size[1])) for picture in pictures]
    width, height = pictures[0].size
    rows = -(-len(pictures) // COLUMNS)
    sheet = Image.fromarray(np.zeros((rows * height, min(COLUMNS, len(pictures)) * width, 3), dtype=np.uint8))
    for i, picture in enumerate(pictures):
        sheet.paste(picture, (i % COLUMNS * width, i // COLUMNS * height))
    content = io.BytesIO()
    sheet.save(content, "WEBP", quality=QUALITY)
    return {
        "source": f"data:image/webp;base64,{base64.b64encode(content.getvalue()).decode()}",
        "n": len(pictures),
        "columns": COLUMNS,
        "width": width,
        "height": height,
        "fps": fps,
    }


def _decode(system: System, clip: Clip, device: torch.device) -> Clip:
    """What the system's tokens of the clip show: by its own `decode`, else by the first decoder for them."""
    import torch

    from vtok_eval.data import Clip, Clips

    clips = Clips.stack([Clip(clip.frames.to(device), clip.fps)])
    with torch.inference_mode():
        if isinstance(system.subject, DecodingTokenizer):
            frames = system.subject.decode(system.subject.encode(clips)).frames
        else:
            from vtok_eval.decoders import decoders_of

            frames = decoders_of(system, device=device, seeds=1).reconstruct(clips)[0][0]
    return Clip(frames[0].cpu(), clip.fps)


def _source_key(sample: Sample) -> str:
    return sample.id if sample.clip is None else sample.clip.key
