"""The options of the understanding benchmark on rendered scenes."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from vtok_eval.probes.options import Count
from vtok_eval.probes.scene_options import SceneProbeOptions


class ScenesOptions(SceneProbeOptions):
    """What a suite may set. The same values hold for every tokenizer of the suite.

    test_clips: scenes rendered for the test split; the others: `SceneProbeOptions`.
    reader: "probe", or "ridge" for kernel ridge regression, which takes none of the probe's options.
    """

    test_clips: Count = 600
    reader: Literal["probe", "ridge"] = "probe"

    @model_validator(mode="after")
    def _ridge_has_no_seeds(self) -> Self:
        if self.reader == "ridge" and self.probe_seeds > 1:
            raise ValueError("reader ridge has one solution: leave out probe_seeds")
        return self
