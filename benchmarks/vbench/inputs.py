"""Which videos of a system are scored: a folder's, a generator's of its prompts, a tokenizer's decoded."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from benchmarks.vbench.dimensions import Dimension
from benchmarks.vbench.prompts import (
    VIDEOS_PER_PROMPT,
    ExpectedVideo,
    VBenchPrompt,
    custom,
    package_info_file,
    read_prompt_list,
    read_prompts,
    standard,
    videos_of,
    wanted_of,
)
from vtok_eval.benchmark import Sample
from vtok_eval.errors import SpecError
from vtok_eval.systems import System
from vtok_eval.video.folder import VideoEntry, VideoFolder
from vtok_eval.video.made import GeneratedVideos, ReconstructedVideos

_log = logging.getLogger(__name__)

Subject: TypeAlias = VideoFolder | GeneratedVideos | ReconstructedVideos


@dataclass(frozen=True)
class Inputs:
    """How the expected videos of a system are found.

    mode: "standard" or "custom". prompts: standard mode's list, or a user's prompts for a generator.
    information: what prompts ask for, by prompt and dimension. per_prompt: a generator's in custom mode.
    filtered: only still videos count for temporal flickering. forgiving: see `custom`.
    """

    mode: str
    prompts: Path | None = None
    information: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    per_prompt: int = VIDEOS_PER_PROMPT
    filtered: bool = False
    forgiving: bool = False

    def samples(self, system: System, chosen: Sequence[Dimension]) -> list[Sample]:
        """One sample per video, named by its file; samples of one prompt share a cluster.

        A reconstruction has the name of its original, so that the two are compared as a pair.

        Raises:
            VtokEvalError: as `VideoFolder.entries`, `standard`, `custom` and `read_prompt_list`.
        """
        subject = system.subject
        return [_sample(each, subject) for each in self._expected(subject, chosen)]

    def _expected(self, subject: Subject, chosen: Sequence[Dimension]) -> list[ExpectedVideo]:
        if self.mode == "custom":
            entries = self._custom_entries(subject)
            return custom(entries, chosen, self.information, forgiving=self.forgiving)
        prompts = [
            wanted
            for prompt in read_prompts(self.prompts or package_info_file())
            if (wanted := wanted_of(prompt, chosen)) is not None
        ]
        entries = self._standard_entries(subject, prompts)
        found = standard(entries, prompts, folder=subject.path, filtered=self.filtered)
        missing = [each.path.name for each in found if each.entry is None]
        if missing:
            _log.warning(
                "VBench: %d of %d videos of the standard prompts are missing, the first is %s",
                len(missing),
                len(found),
                missing[0],
            )
        return found

    def _custom_entries(self, subject: Subject) -> Sequence[VideoEntry]:
        if not isinstance(subject, GeneratedVideos):
            found: Sequence[VideoEntry] = subject.entries()
            return found
        if self.prompts is None:
            raise SpecError(
                "vbench needs prompts for a generator: name a text or JSON file with the option prompts "
                "(--set prompts=FILE), or take VBench's own with mode=standard"
            )
        return subject.entries_for(read_prompt_list(self.prompts), per_prompt=self.per_prompt)

    def _standard_entries(self, subject: Subject, prompts: Sequence[VBenchPrompt]) -> Sequence[VideoEntry]:
        if not isinstance(subject, GeneratedVideos):
            found: Sequence[VideoEntry] = subject.entries()
            return found
        return [
            entry
            for prompt in prompts
            for entry in subject.entries_for(
                [prompt.text], per_prompt=videos_of(prompt, filtered=self.filtered)
            )
        ]


def _name(expected: ExpectedVideo, subject: Subject) -> str:
    """What the video is called: its path in its folder; a reconstruction has its original's."""
    if expected.entry is None or isinstance(subject, GeneratedVideos):
        return expected.path.name
    if isinstance(subject, ReconstructedVideos):
        return subject.name_of_original(expected.entry)
    name: str = subject.name_of(expected.path)
    return name


def _sample(expected: ExpectedVideo, subject: Subject) -> Sample:
    original = None
    if expected.entry is not None and isinstance(subject, ReconstructedVideos):
        original = str(subject.original(expected.entry))
    return Sample(
        id=_name(expected, subject),
        cluster=expected.prompt.text,
        target={
            "path": str(expected.path),
            "dimensions": list(expected.prompt.dimensions),
            "prompt": expected.prompt.text,
            "information": dict(expected.prompt.information),
            "index": expected.index,
            "known": expected.entry is not None,
            "earlier": [str(path) for path in expected.earlier],
            "original": original,
        },
        meta={"prompt": expected.prompt.text, "index": expected.index},
    )
