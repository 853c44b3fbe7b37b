"""A benchmark of many flat clips, for runs in which much can go wrong."""

from __future__ import annotations

from collections.abc import Sequence

from tests.vtok_eval.run.mean_colour import Flat, MeanColour
from vtok_eval.benchmark import Sample
from vtok_eval.systems import System


class ManyLevels(MeanColour):
    """Asks for the grey level of `n` flat clips, 0 to 249 and again from 0."""

    def samples(self, system: System) -> Sequence[Sample]:
        return [
            Sample(id=f"flat-{i}", cluster=f"flat-{i}", clip=Flat(i % 250), target={"level": i % 250})
            for i in range(self.n)
        ]
