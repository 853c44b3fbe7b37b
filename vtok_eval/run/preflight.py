"""Whether a tokenizer can take a benchmark's clips, and what is done to them so that it can."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vtok_eval.benchmark import Sample
from vtok_eval.errors import UnfitInputError, VideoError
from vtok_eval.results.store import write_atomically
from vtok_eval.systems import SystemKind

if TYPE_CHECKING:
    from vtok_eval.data import Clip, Clips
    from vtok_eval.run.plan import PlannedJob
    from vtok_eval.run.runners.runner import Runner
    from vtok_eval.systems import Tokenizer

_FILE = "input_fits.json"
CLIPS_TRIED = 4
"""Clips examined, spread over the samples; of each length, size and frame rate one must be encoded."""


def check_input(job: PlannedJob, samples: Sequence[Sample], runner: Runner) -> tuple[str, ...]:
    """Encode one clip of each shape, then two as a batch, before the first sample counts.

    Systems that are neither tokenizers nor codecs, and samples without clips, are not tried. A clip that
    cannot be loaded is left to its own sample.

    Returns:
        What is done to the clips so that they meet the tokenizer's contract, one text for each shape.

    Raises:
        UnfitInputError: the tokenizer takes none of them; names the contract that it seems to need.
    """
    if job.system.kind not in (SystemKind.TOKENIZER, SystemKind.CODEC):
        return ()
    alike = _clips_by_shape(samples, runner)
    failures = [_first_failure(job.system.subject, clips, runner) for clips in alike]
    clips = [group[0] for group in alike]
    if clips and all(failures):
        raise UnfitInputError(_reason(job.system.subject, clips[0], failures[0], runner))
    return tuple(dict.fromkeys(text for clip in clips if (text := _fit_text(job.system.subject, clip))))


def keep_fits(artifacts: Path, fits: Sequence[str]) -> None:
    """Keep what `check_input` returned in the job's artifacts; nothing where clips are encoded as they are.

    Raises:
        RunFolderError: it cannot be written.
    """
    if fits:
        text = json.dumps(list(fits))
        write_atomically(artifacts / _FILE, lambda path: path.write_text(text, encoding="utf-8"))


def kept_fits(artifacts: Path) -> tuple[str, ...]:
    """What `keep_fits` kept of the job."""
    path = artifacts / _FILE
    return tuple(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else ()


def _clips_by_shape(samples: Sequence[Sample], runner: Runner) -> list[list[Clip]]:
    """The clips examined, those of one length, size and frame rate together."""
    with_clip = [sample for sample in samples if sample.clip is not None]
    step = max(1, len(with_clip) // CLIPS_TRIED)
    found: dict[tuple[object, ...], list[Clip]] = {}
    for sample in with_clip[::step][:CLIPS_TRIED]:
        clip = _load(sample, runner)
        if clip is not None:
            found.setdefault((tuple(clip.frames.shape), clip.fps), []).append(clip)
    return list(found.values())


def _load(sample: Sample, runner: Runner) -> Clip | None:
    assert sample.clip is not None
    try:
        return runner.load(sample.clip)
    except (VideoError, OSError):
        # A broken file is that sample's own failure, recorded when its turn comes.
        return None


def _batch(clip: Clip, count: int, runner: Runner) -> Clips:
    from vtok_eval.data import Clips

    clips = Clips.stack([clip] * count)
    return Clips(frames=clips.frames.to(runner.device), fps=clips.fps.to(runner.device))


def _first_failure(tokenizer: Tokenizer, clips: Sequence[Clip], runner: Runner) -> str:
    """Why the first of clips of one shape cannot be encoded; empty where one of them can.

    A tokenizer may fail at some clips for what they show: those are their own samples' failures.
    """
    first = ""
    for clip in clips:
        failure = _failure(tokenizer, clip, runner)
        if not failure:
            return ""
        first = first or failure
    return first


def _failure(tokenizer: Tokenizer, clip: Clip, runner: Runner) -> str:
    """Why the clip cannot be encoded, alone or in a batch of two; empty where it can."""
    from vtok_eval.checks.trial import encode

    for count in (1, 2):
        trial = encode(tokenizer, _batch(clip, count, runner))
        if trial.value is None:
            return trial.error if count == 1 else f"in a batch of two: {trial.error}"
    return ""


def _reason(tokenizer: Tokenizer, clip: Clip, failure: str, runner: Runner) -> str:
    from vtok_eval.checks.contract_search import find_contract
    from vtok_eval.inputs.fitted import unfitted

    n_frames, _, height, width = clip.frames.shape
    contract = find_contract(unfitted(tokenizer), _batch(clip, 1, runner))
    needed = "" if contract is None else f"; it seems to need accepts = vtok_eval.Accepts({contract.text()})"
    return f"it cannot take clips of {n_frames} frames of {height} x {width} px: {failure}{needed}"


def _fit_text(tokenizer: Tokenizer, clip: Clip) -> str:
    from vtok_eval.data import Clips
    from vtok_eval.inputs.fitted import FittedTokenizer

    if not isinstance(tokenizer, FittedTokenizer):
        return ""
    return tokenizer.fit_of(Clips.stack([clip])).text()
