"""The options of the understanding benchmark on rendered scenes."""

from __future__ import annotations

from vtok_eval.probes.options.scenes import SceneProbeOptions
from vtok_eval.probes.options.training import Count


class ScenesOptions(SceneProbeOptions):
    """What a suite may set. The same values hold for every tokenizer of the suite.

    test_clips: scenes rendered for the test split.

    The others are in `SceneProbeOptions`.
    """

    test_clips: Count = 600
