"""An answerer that knows what it is to say, and one way through a benchmark with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import torch

from benchmarks.understanding.questions.benchmark import QuestionAnswering
from vtok_eval.answerers.request import Answer, AnswerRequest
from vtok_eval.benchmark import Context
from vtok_eval.data import Clip
from vtok_eval.results.records import Record, Score
from vtok_eval.results.statistics.scores import score_all
from vtok_eval.run.plan import PlannedJob
from vtok_eval.run.recording import record_of
from vtok_eval.run.runners.runner import Runner
from vtok_eval.systems import System
from vtok_eval.video.clip_cache import ClipCache


class RightAnswerer:
    """Answers by id from a table, or always the same; remembers what it was asked and shown."""

    def __init__(
        self, right: Mapping[str, str], *, always: str | None = None, cut: Collection[str] | None = None
    ) -> None:
        self.right = right
        self.cut = cut
        self.always = always
        self.asked: list[str] = []
        self.prompts: list[str] = []
        self.clips: list[Clip | None] = []
        self.requests: list[AnswerRequest] = []

    def answer(self, clip: Clip, question: str, options: Sequence[str]) -> str:
        raise AssertionError("the benchmark has answer_batch to call")

    def answer_batch(self, requests: Sequence[AnswerRequest]) -> list[Answer]:
        for request in requests:
            self.asked.append(request.id)
            self.prompts.append(request.question)
            self.clips.append(request.clip)
            self.requests.append(request)
        return [
            Answer(
                text=self.always or self.right[request.id],
                cost={"calls": 1.0},
                is_cut=None if self.cut is None else request.id in self.cut,
            )
            for request in requests
        ]


def evaluate(benchmark: QuestionAnswering, answerer: object, *, batch_size: int = 4) -> list[Record]:
    """The records of a job, as the harness makes them; ordered by sample id."""
    device = torch.device("cpu")
    runner = Runner(device=device, batch_size=batch_size, loader_threads=1, clip_cache=ClipCache(2**28))
    system = System("answers", "test", "answerer", answerer)
    job = PlannedJob("job", system, benchmark.name, benchmark, benchmark.samples(system))
    context = Context(runner=runner, device=device, seed=0, artifacts=Path("unused"), cache=Path("unused"))
    evaluator = benchmark.prepare(system, context)
    done = runner.map(job.samples, evaluator.evaluate, description="job")
    return sorted(
        (record_of(job, sample, result) for sample, result in done), key=lambda record: record.sample_id
    )


def scores_of(benchmark: QuestionAnswering, records: Sequence[Record]) -> dict[str, Score]:
    return {score.metric.name: score for score in score_all(records, benchmark.metrics())}


def one_score(benchmark: QuestionAnswering, records: Sequence[Record], metric: str) -> Score:
    return scores_of(benchmark, records)[metric]
