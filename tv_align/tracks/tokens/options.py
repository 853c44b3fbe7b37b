"""The options of the track `read`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from vtok_eval.probes.options import Count, Seed, TrainingOptions


class ReadOptions(TrainingOptions):
    """What a suite may set. The same values hold for every tokenizer of the suite.

    train_clips, validation_clips: rendered scenes to train the probe with and to choose its epoch by.
    data_seed: of these scenes, apart from the run's seed. per_level: prompts a category and level.
    clip_size: side in pixels; n_frames: frames per clip. probe_seeds: how many probes are trained, each with
    weights and data order of its own. questions_per_fact: of each type of fact about a training scene, so
    many at most are asked.
    """

    train_clips: Count
    validation_clips: Count
    data_seed: Seed
    per_level: Count
    clip_size: Annotated[int, Field(ge=16, strict=True)]
    n_frames: Annotated[int, Field(ge=2, strict=True)]
    probe_seeds: Count
    questions_per_fact: Count
