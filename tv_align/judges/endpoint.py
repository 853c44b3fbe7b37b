"""The judge `endpoint:MODEL,url=...`: a vision model behind an OpenAI-compatible server is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from tv_align.judges.judge import Reply, Verdict
from vtok_eval.data import Clip
from vtok_eval.endpoint.choices import YES_NO, read_choice
from vtok_eval.endpoint.client import ChatRequest, EndpointClient
from vtok_eval.endpoint.content import frame_parts, system_message
from vtok_eval.endpoint.errors import EndpointError
from vtok_eval.results.description import Description

if TYPE_CHECKING:
    from vtok_eval.answerers.endpoint import EndpointAnswerer
    from vtok_eval.endpoint import reply

INSTRUCTION = (
    "You are shown the frames of one short video, in order. Judge only what these frames show, not what is "
    "usual or likely. If they do not show what the question asks about, the answer is no. Answer the "
    'question with JSON: {"answer": "yes"} or {"answer": "no"}.'
)


class EndpointJudge:
    """Asks each question of a prompt separately, so that no question gives away another's answer.

    Built from the same options as the answerer `endpoint:` (docs/answerers.md): url, frames, frame_format,
    key_variable, concurrency, max_requests, max_usd and so on; with `logprobs=true` verdicts have the
    probability of yes, if the server reports it. Responses are kept in the user's cache folder.

    asked: whose client, frames and format are used.
    """

    name = "endpoint"
    calibrated_by_runs = False

    def __init__(self, asked: EndpointAnswerer) -> None:
        self._asked = asked
        self.concurrency = asked.client.settings.concurrency

    @classmethod
    def from_argument(cls, argument: str, *, sleep: Callable[[float], None] | None = None) -> EndpointJudge:
        """The judge that `endpoint:ARGUMENT` names.

        Raises:
            SpecError, UnknownNameError: the options cannot be read.
            MissingDependencyError: the extra `endpoint` is not installed.
        """
        import torch

        from vtok_eval.answerers.endpoint import build_endpoint

        return cls(build_endpoint(argument, device=torch.device("cpu"), sleep=sleep))

    @property
    def client(self) -> EndpointClient:
        """What is asked with; knows what was spent."""
        return self._asked.client

    def judge(self, clip: Clip, questions: Sequence[str]) -> Sequence[Verdict]:
        """One verdict per question; "unsure" for a refusal and for words that settle on no answer.

        Raises:
            EndpointError: a question got no answer; those of the others are cached by then.
            EndpointUnavailableError: no request would succeed (server down, wrong key or model, a ceiling).
        """
        from vtok_eval.answerers.shown_frames import show

        shown = show(clip, self._asked.rule)
        parts = frame_parts(Clip(shown.frames, shown.fps), self._asked.frame_format)
        replies = self.client.ask_many([_question(parts, question) for question in questions])
        for each in replies:
            if isinstance(each, EndpointError):
                raise each
        return [_verdict(cast("reply.Reply", each)) for each in replies]

    def describe(self) -> Description:
        """Server, model, frames and instruction; each verdict records the version that answered."""
        return self._asked.describe().with_facts({"instruction": INSTRUCTION, "version": 1})


def _question(parts: Sequence[Mapping[str, object]], text: str) -> ChatRequest:
    asked = {"role": "user", "content": [*parts, {"type": "text", "text": text}]}
    return ChatRequest([system_message(INSTRUCTION), asked], YES_NO)


def _verdict(answer: reply.Reply) -> Verdict:
    said = None if answer.refusal else read_choice(answer.text, YES_NO)
    cost = {
        "requests": 0.0 if answer.cached else 1.0,
        "input_tokens": float(answer.input_tokens),
        "output_tokens": float(answer.output_tokens),
        "usd": answer.usd,
    }
    probability = None if said is None else answer.probability("yes", YES_NO)
    return Verdict(cast(Reply, said or "unsure"), probability=probability, cost=cost, raw=answer.to_json())
