"""`endpoint:MODEL,url=...`: a model behind an OpenAI-compatible server answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from vtok_eval.answerers.request import Answer, AnswerRequest, by_clip
from vtok_eval.answerers.shown_frames import FrameRule, ShownFrames, show
from vtok_eval.data import Clip
from vtok_eval.endpoint.choices import read_structured
from vtok_eval.endpoint.client import ChatRequest, EndpointClient
from vtok_eval.endpoint.content import FrameFormat, Message, frame_parts
from vtok_eval.endpoint.errors import EndpointError
from vtok_eval.endpoint.reply import Reply
from vtok_eval.endpoint.settings import EndpointSettings
from vtok_eval.results.description import Description
from vtok_eval.specs.binding import bind
from vtok_eval.specs.grammar import parse_options

if TYPE_CHECKING:
    import torch


class EndpointAnswerer:
    """Asks an endpoint about frames of a clip; satisfies `BatchAnswerer`.

    A question with options asks for one of its labels as JSON, and gives that label; where the model wrote
    something else, its words are the answer, for the benchmark's own reading. A refusal is an empty answer.

    client: whose settings say which model. rule: which frames are sent. frame_format: see
        `endpoint.content.user_message`.
    """

    def __init__(
        self, client: EndpointClient, *, rule: FrameRule, frame_format: FrameFormat = "jpeg"
    ) -> None:
        self.client = client
        self.rule = rule
        self.frame_format = frame_format

    @property
    def concurrency(self) -> int:
        """How many questions it takes at once, from as many threads.

        More than there may be requests under way, which the client sees to: frames are encoded for the next
        ones while these are waited for.
        """
        under_way = self.client.settings.concurrency
        return 1 if under_way == 1 else under_way + max(2, under_way // 4)

    def describe(self) -> Description:
        """What provenance keeps; each answer names the version of the model that gave it."""
        facts = {
            **self.client.settings.to_json(),
            **self.rule.to_json(),
            "frame_format": self.frame_format,
        }
        return Description(facts=facts)

    def answer(self, clip: Clip | None, question: str, options: Sequence[str]) -> str:
        """The label of the option that was chosen, or the model's words.

        Raises:
            EndpointError, EndpointUnavailableError: see `EndpointClient.ask`.
        """
        return self.answer_batch([AnswerRequest(clip, question, tuple(options))])[0].text or ""

    def answer_batch(self, requests: Sequence[AnswerRequest]) -> list[Answer]:
        """Answers in order, asked side by side; the frames of a clip are encoded once.

        Raises:
            EndpointError: one of the requests got no answer. The other answers are cached by then, so asking
                for them again, one by one, is free.
            EndpointUnavailableError: see `EndpointClient.ask`.
        """
        questions: dict[int, ChatRequest] = {}
        frames: dict[int, ShownFrames | None] = {}
        for clip, positions in by_clip(requests):
            shown = None if clip is None or len(clip.frames) == 0 else show(clip, self.rule)
            parts = () if shown is None else frame_parts(Clip(shown.frames, shown.fps), self.frame_format)
            for position in positions:
                request = requests[position]
                questions[position] = ChatRequest([_message(parts, request.question)], request.labels)
                frames[position] = shown
        order = range(len(requests))
        replies = self.client.ask_many([questions[position] for position in order])
        return [self._answer(requests[position], replies[position], frames[position]) for position in order]

    def _answer(
        self, request: AnswerRequest, reply: Reply | EndpointError, shown: ShownFrames | None
    ) -> Answer:
        if isinstance(reply, EndpointError):
            raise reply
        cost = {
            "usd": reply.usd,
            "requests": 0.0 if reply.cached else 1.0,
            "input_tokens": float(reply.input_tokens),
            "output_tokens": float(reply.output_tokens),
        }
        return Answer(
            text=read_structured(reply.text, request.labels) or reply.text,
            is_cut=None if reply.finish_reason is None else reply.finish_reason == "length",
            cost={**cost, **shown.cost()} if shown is not None else cost,
            raw=reply.to_json(),
        )


def build_endpoint(
    argument: str, *, device: torch.device, sleep: Callable[[float], None] | None = None
) -> EndpointAnswerer:
    """What `endpoint:MODEL,url=http://HOST:PORT/v1,...` names; responses are kept in the user's cache folder.

    Raises:
        SpecError, UnknownNameError: the options cannot be read.
        MissingDependencyError: the extra `endpoint` is not installed.
    """
    del device  # the model runs elsewhere
    options = parse_options(argument, spec=f"endpoint:{argument}", subject="model")
    return _endpoint(**bind(_endpoint, options, what="endpoint", subject="model", given={"sleep": sleep}))


def _endpoint(
    *,
    model: str,
    url: str,
    frames: int = 8,
    sampling: Literal["linspace", "interior", "fps"] = "linspace",
    fps: float | None = None,
    max_pixels: int | None = None,
    frame_format: FrameFormat = "jpeg",
    key_variable: str = "OPENAI_API_KEY",
    temperature: float | Literal["none"] = 0.0,
    max_output_tokens: int = 256,
    token_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens",
    seed: int | None = None,
    structured: bool = True,
    logprobs: bool = False,
    timeout_s: float = 120.0,
    max_attempts: int = 5,
    concurrency: int = 16,
    max_wait_s: float = 60.0,
    max_requests: int | None = None,
    max_usd: float | None = None,
    usd_per_million_input: float = 0.0,
    usd_per_million_output: float = 0.0,
    sleep: Callable[[float], None] | None,
) -> EndpointAnswerer:
    import time

    from vtok_eval.endpoint.response_cache import ResponseCache
    from vtok_eval.files.cache_folder import cache_folder

    settings = EndpointSettings(
        url=url,
        model=model,
        key_variable=key_variable,
        temperature=None if temperature == "none" else temperature,
        max_output_tokens=max_output_tokens,
        token_limit=token_limit,
        seed=seed,
        structured=structured,
        logprobs=logprobs,
        timeout_s=timeout_s,
        max_attempts=max_attempts,
        concurrency=concurrency,
        max_wait_s=max_wait_s,
        max_requests=max_requests,
        max_usd=max_usd,
        usd_per_million_input=usd_per_million_input,
        usd_per_million_output=usd_per_million_output,
    )
    rule = FrameRule(count=frames, sampling=sampling, fps=fps, max_pixels=max_pixels)
    cache = ResponseCache(cache_folder() / "endpoint.sqlite")
    client = EndpointClient(settings, cache, sleep=sleep or time.sleep)
    return EndpointAnswerer(client, rule=rule, frame_format=frame_format)


def _message(parts: Sequence[Mapping[str, object]], text: str) -> Message:
    return {"role": "user", "content": [*parts, {"type": "text", "text": text}]}
