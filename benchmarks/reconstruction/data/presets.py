"""Known data sets of reconstruction papers: what to fetch, where it goes, and whether a folder holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.reconstruction.data.listing import list_videos
from vtok_eval.errors import MissingDependencyError, UnknownNameError, VideoError
from vtok_eval.files.cache_folder import cache_path
from vtok_eval.video.decoding.decode import check_whole


@dataclass(frozen=True)
class Preset:
    """A data set. counts: by the start of a video's name within the folder, how many there are.

    fetch: what to fetch from where, and how it is arranged. protocol: the named protocol that is published on
    it, or "default".
    """

    name: str
    title: str
    counts: Mapping[str, int]
    fetch: str
    protocol: str = "default"

    def place(self) -> Path:
        """Where it is looked for if no folder is named."""
        return cache_path() / "reconstruction" / self.name

    def problems(self, folder: Path) -> list[str]:
        """What a folder lacks of the data set, in lines; empty where it lacks nothing."""
        try:
            names = [video.name for video in list_videos(folder)]
        except VideoError as error:
            return [str(error)]
        found = {start: sum(_begins(name, start) for name in names) for start in self.counts}
        lines = [
            f"{found[start]:,} of {expected:,} videos{f' {start}*' if start else ''}"
            for start, expected in self.counts.items()
            if found[start] != expected
        ]
        others = [name for name in names if not any(_begins(name, start) for start in self.counts)]
        if others:
            lines.append(f"{len(others):,} videos that are not part of it, the first is {others[0]}")
        return lines

    def require(self, folder: Path) -> None:
        """Refuse a folder that does not hold the data set.

        Raises:
            MissingDependencyError: says what is there, and what to fetch.
        """
        problems = self.problems(folder)
        if problems:
            raise MissingDependencyError(f"{self.name}: {folder}: {'; '.join(problems)}; to do: {self.fetch}")

    def report(self, folder: Path | None, *, decode: bool) -> tuple[str, bool]:
        """The state of a folder as text, and whether it holds the whole data set, undamaged.

        decode: look into every file, to find those that are cut short.
        """
        where = folder or self.place()
        lines = [f"{self.name}: {self.title}", f"  folder: {where}"]
        problems = self.problems(where)
        if not problems:
            videos = list_videos(where)
            lines.append(f"  {len(videos):,} videos, as expected")
            problems = [why for video in videos if decode and (why := _damage(video.path))]
        lines += [f"  {problem}" for problem in problems[:10]]
        if len(problems) > 10:
            lines.append(f"  ... and {len(problems) - 10:,} more")
        if problems:
            lines.append(f"  to do: {self.fetch}")
        folder_option = "" if folder is None else f" --data {folder}"
        protocol = "" if self.protocol == "default" else f" --set protocol={self.protocol}"
        lines.append(
            f"  run: vtok-eval run --only --benchmark reconstruction --set preset={self.name}{protocol}"
            f"{folder_option} --tokenizer NAME=SPEC"
        )
        return "\n".join(lines), not problems


def preset(name: str) -> Preset:
    """The preset of this name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in PRESETS:
        raise UnknownNameError(what="preset of reconstruction", name=name, known=PRESETS)
    return PRESETS[name]


def _begins(name: str, start: str) -> bool:
    return name.startswith(start) or f"/{start}" in name


def _damage(path: Path) -> str | None:
    if path.is_dir():
        return None
    try:
        check_whole(path)
    except VideoError as error:
        return str(error)
    return None


PRESETS: Mapping[str, Preset] = {
    each.name: each
    for each in (
        Preset(
            "mcl-jcv",
            "MCL-JCV, 30 videos of 1080p and 5 seconds (H. Wang et al. 2016)",
            {"": 30},
            "the 30 source videos (videoSRC01.mp4 to videoSRC30.mp4) from "
            "https://mcl.usc.edu/mcl-jcv-dataset/, in one folder",
            protocol="vidtok",
        ),
        Preset(
            "davis",
            "DAVIS 2017, the 90 sequences of train and val at 480p, as folders of pictures",
            {"": 90},
            "DAVIS-2017-trainval-480p.zip from https://davischallenge.org/davis2017/code.html; the folder is "
            "JPEGImages/480p in it",
        ),
        Preset(
            "ucf101",
            "UCF101, 13,320 videos in 101 folders",
            {"": 13_320},
            "UCF101.rar and UCF101TrainTestSplits-RecognitionTask.zip from "
            "https://www.crcv.ucf.edu/data/UCF101.php; LARP takes the training split: "
            "--set list=trainlist01.txt",
            protocol="larp",
        ),
        Preset(
            "tokenbench",
            "TokenBench, 500 videos of four data sets",
            {"bdd_100_": 100, "egoexo4D_": 200, "bridgev2_": 100, "panda_": 100},
            "the videos that https://github.com/NVlabs/TokenBench lists of BDD100K, EgoExo-4D, BridgeData V2 "
            "and Panda-70M, named by its preprocessing_script.py (bdd_100_*.mp4 ...), in one folder; the "
            "first 10 seconds are cut and 1080p is made here",
            protocol="tokenbench",
        ),
    )
}
