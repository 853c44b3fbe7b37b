"""The options of the track `read`."""

from __future__ import annotations

from vtok_eval.probes.options.scenes import SceneProbeOptions
from vtok_eval.probes.options.training import Count


class ReadOptions(SceneProbeOptions):
    """What a suite may set. The same values hold for every tokenizer of the suite.

    per_level: prompts for each category and level. questions_per_fact: the most questions that are asked of
    each type of fact about a training scene.

    The others are in `SceneProbeOptions`.
    """

    per_level: Count = 25
    questions_per_fact: Count = 2
