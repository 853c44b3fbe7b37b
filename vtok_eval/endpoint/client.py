"""The client: asks an OpenAI-compatible server, from the cache where it can, within its ceilings."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from vtok_eval.endpoint.ceilings import Ceilings, Spent
from vtok_eval.endpoint.choices import choice_format
from vtok_eval.endpoint.errors import EndpointError, EndpointUnavailableError
from vtok_eval.endpoint.failures import (
    FormatRefusedError,
    RetryableError,
    connection_failed,
    refused,
)
from vtok_eval.endpoint.pacing import AdaptiveSlots
from vtok_eval.endpoint.redaction import without_key
from vtok_eval.endpoint.reply import BrokenResponseError, Reply, parse_completion
from vtok_eval.endpoint.response_cache import ResponseCache, request_key
from vtok_eval.endpoint.retry import wait_s
from vtok_eval.endpoint.settings import NO_KEY, EndpointSettings
from vtok_eval.errors import MissingDependencyError

if TYPE_CHECKING:
    import openai

    from vtok_eval.endpoint.content import Message
    from vtok_eval.endpoint.reply import KeptResponse

log = logging.getLogger(__name__)

_SAID = ("text", "refusal")
"""Fields of a response that hold the model's own words."""
_TOP_LOGPROBS = 5
"""Alternative pieces requested at each position of an answer: the most that all servers return."""
_FAILURES_IN_A_ROW = 5
"""So many requests that fail at every attempt, with no answer between them: the server is taken for down."""


@dataclass(frozen=True)
class ChatRequest:
    """What is asked. choices: the allowed answers, sent as a JSON schema; empty lets the model write."""

    messages: Sequence[Message]
    choices: Sequence[str] = ()


class EndpointClient:
    """Asks one model of one server.

    settings: see there. cache: where responses are kept; None asks every time. sleep: how to wait, for tests.
    Safe to use from several threads; never more than `settings.concurrency` requests are under way, and fewer
    for a while after the server has answered that they come too fast.
    """

    def __init__(
        self,
        settings: EndpointSettings,
        cache: ResponseCache | None,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.settings = settings
        self._cache = cache
        self._sleep = sleep
        self._ceilings = Ceilings(settings)
        self._slots = AdaptiveSlots(settings.concurrency)
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[Reply]] = {}
        self._structured: bool | None = None
        self._failures_in_a_row = 0
        # Not secret and not a result: only how far apart the waits are.
        self._draw = random.Random()
        self._openai = _openai_client(settings)

    @property
    def spent(self) -> Spent:
        """What this client has used until now; answers from the cache are free."""
        return self._ceilings.spent

    @property
    def places(self) -> int:
        """Requests that may be under way now: `settings.concurrency`, or fewer after a status 429."""
        return self._slots.places

    def close(self) -> None:
        """Close the connections."""
        self._openai.close()

    def ask(self, question: ChatRequest) -> Reply:
        """The model's reply, from the cache where the same was asked before.

        Raises:
            EndpointError: the server refuses this request, or failed at every attempt.
            EndpointUnavailableError: no request would succeed (server down, wrong key or model, a ceiling).
            RunFolderError: the cache cannot be used.
        """
        structured = bool(question.choices) and self._takes_format()
        try:
            return self._ask_once(question, structured=structured)
        except FormatRefusedError as error:
            self._note_refused_format(str(error))
            return self._ask_once(question, structured=False)

    def ask_many(self, questions: Sequence[ChatRequest]) -> list[Reply | EndpointError]:
        """A reply to each question, or the error of just this one; `settings.concurrency` at a time.

        Raises:
            EndpointUnavailableError, RunFolderError: as `ask`; what was answered by then is cached.
        """
        if len(questions) == 1:
            return [self._ask_or_error(questions[0])]
        with ThreadPoolExecutor(max_workers=self.settings.concurrency) as pool:
            futures = [pool.submit(self._ask_or_error, question) for question in questions]
            try:
                return [future.result() for future in futures]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _takes_format(self) -> bool:
        """Whether to send a JSON schema: the settings want it, and the server has not refused one, ever."""
        if self._structured is None:
            refused = self._cache.get(self._format_key()) if self._cache else None
            self._structured = self.settings.structured and refused is None
        return self._structured

    def _note_refused_format(self, reason: str) -> None:
        if self._structured:
            log.warning("%s takes no response_format (%s); asked without", self.settings.model, reason)
        self._structured = False
        if self._cache:
            # Kept like an answer: asking all again must need no server.
            self._cache.put(self._format_key(), model=self.settings.model, response={"refused": reason})

    def _format_key(self) -> str:
        return request_key(self.settings.url, {"model": self.settings.model, "takes": "response_format"})

    def _ask_or_error(self, question: ChatRequest) -> Reply | EndpointError:
        try:
            return self.ask(question)
        except EndpointError as error:
            return error

    def _ask_once(self, question: ChatRequest, *, structured: bool) -> Reply:
        body = self._body(question, structured=structured)
        key = request_key(self.settings.url, body)
        with self._lock:
            waiting = self._under_way.get(key)
            mine: Future[Reply] = Future()
            if waiting is None:
                self._under_way[key] = mine
        if waiting is not None:
            # The same question is under way in another thread: it is paid for once.
            return replace(waiting.result(), cached=True, usd=0.0)
        try:
            reply = self._cached_or_new(key, body, structured=structured)
            mine.set_result(reply)
            return reply
        except BaseException as error:
            mine.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._under_way[key]

    def _cached_or_new(self, key: str, body: Mapping[str, object], *, structured: bool) -> Reply:
        kept = self._cache.get(key) if self._cache else None
        if kept is not None:
            # Written by this class: a cache file of another program has other keys.
            return Reply(**cast("KeptResponse", kept), cached=True, structured=structured)
        response = self._attempts(body)
        usd = self._ceilings.add_usage(
            input_tokens=response["input_tokens"], output_tokens=response["output_tokens"]
        )
        if self._cache:
            self._cache.put(key, model=self.settings.model, response=response)
        return Reply(**response, usd=usd, structured=structured)

    def _body(self, question: ChatRequest, *, structured: bool) -> Mapping[str, object]:
        settings = self.settings
        body: dict[str, object] = {
            "model": settings.model,
            "messages": [dict(message) for message in question.messages],
            settings.token_limit: settings.max_output_tokens,
        }
        if settings.temperature is not None:
            body["temperature"] = settings.temperature
        if settings.seed is not None:
            body["seed"] = settings.seed
        if structured:
            body["response_format"] = choice_format(question.choices)
        if settings.logprobs:
            body |= {"logprobs": True, "top_logprobs": _TOP_LOGPROBS}
        return body

    def _attempts(self, body: Mapping[str, object]) -> KeptResponse:
        """The response's fields, after as many attempts as are allowed."""
        for attempt in range(self.settings.max_attempts):
            try:
                with self._slots.taken() as request:
                    response = self._attempt(body)
            except RetryableError as error:
                failure = error
                if failure.too_fast:
                    self._slots.lower(request)
            else:
                self._slots.note_answer()
                self._failures_in_a_row = 0
                return response
            last = attempt == self.settings.max_attempts - 1
            if not last and not self._waited(attempt, failure):
                break
        raise self._given_up(failure, attempts=attempt + 1)

    def _waited(self, attempt: int, failure: RetryableError) -> bool:
        """Wait before the next attempt; false where the server asks for a longer wait than is allowed."""
        settings = self.settings
        seconds = wait_s(
            attempt,
            failure.headers,
            backoff_s=settings.backoff_s,
            max_wait_s=settings.max_wait_s,
            draw=self._draw,
        )
        if seconds is None:
            return False
        log.info("%s: %s; another attempt in %.1f s", settings.model, failure, seconds)
        self._sleep(seconds)
        return True

    def _given_up(self, failure: RetryableError, *, attempts: int) -> Exception:
        with self._lock:
            self._failures_in_a_row += 1
            in_a_row = self._failures_in_a_row
        what = f"{self.settings.url}: no answer after {attempts} attempts: {failure}"
        if failure.unreachable:
            return EndpointUnavailableError(f"{what}; is the server running?")
        if in_a_row >= _FAILURES_IN_A_ROW:
            return EndpointUnavailableError(f"{what}; {in_a_row} requests in a row failed so")
        return EndpointError(what)

    def _attempt(self, body: Mapping[str, Any]) -> KeptResponse:  # Any: the package's own parameters
        import openai

        key = self.settings.key()
        failure: Exception
        try:
            with self._ceilings.attempt():
                client = self._openai.with_options(api_key=key)
                raw = client.chat.completions.with_raw_response.create(**body)
            response = parse_completion(raw.http_response.text, asked_model=self.settings.model)
            without = {
                name: without_key(value, key, is_answer=name in _SAID) if isinstance(value, str) else value
                for name, value in response.items()
            }
            return cast("KeptResponse", without)
        except openai.APITimeoutError:
            failure = RetryableError(f"no response within {self.settings.timeout_s:g} s")
        except openai.APIStatusError as error:
            failure = refused(error, key, settings=self.settings)
        except openai.APIConnectionError as error:
            failure = connection_failed(error, key)
        except BrokenResponseError as error:
            failure = RetryableError(without_key(str(error), key))
        # Raised out here, with no context: the package's errors hold the request and its headers.
        raise failure


def _openai_client(settings: EndpointSettings) -> openai.OpenAI:
    try:
        import openai
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "asking an endpoint needs the package 'openai': pip install 'vtok-eval[endpoint]'"
        ) from error
    # The package's own retries would not be counted; keys are set for each attempt.
    return openai.OpenAI(api_key=NO_KEY, base_url=settings.url, timeout=settings.timeout_s, max_retries=0)
