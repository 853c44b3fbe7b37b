"""The client against a real server: what it sends, caches, retries, counts, and what it never shows."""

from __future__ import annotations

import io
import logging
import socket
import threading
import traceback
from dataclasses import replace

import pytest

pytest.importorskip("openai")

from tests.vtok_eval.endpoint.chat_server import KEY, ChatServer, Response, completion, fails, says
from vtok_eval.endpoint.client import ChatRequest, EndpointClient
from vtok_eval.endpoint.content import user_message
from vtok_eval.endpoint.errors import EndpointError, EndpointUnavailableError
from vtok_eval.endpoint.redaction import without_key
from vtok_eval.endpoint.response_cache import ResponseCache
from vtok_eval.endpoint.settings import EndpointSettings
from vtok_eval.errors import RunFolderError, SpecError


def question(text: str = "Is the ball red?", choices: tuple[str, ...] = ("yes", "no")) -> ChatRequest:
    return ChatRequest([user_message(text)], choices)


class Asking:
    """A client of the server that counts how long it was told to wait instead of waiting."""

    def __init__(self, server: ChatServer, tmp_path, **settings) -> None:
        self.waits: list[float] = []
        settings = {"url": server.url, "model": "asked-model", **settings}
        self.cache = ResponseCache(tmp_path / "cache" / "responses.sqlite")
        self.client = EndpointClient(EndpointSettings(**settings), self.cache, sleep=self.waits.append)

    def close(self) -> None:
        self.client.close()
        self.cache.close()


@pytest.fixture
def asking(server, tmp_path):
    made: list[Asking] = []

    def make(**settings) -> Asking:
        made.append(Asking(server, tmp_path, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


class TestWhatIsSent:
    def test_body_and_reply(self, server, asking):
        reply = asking().client.ask(question())
        (body,) = server.requests
        assert body["model"] == "asked-model"
        assert body["temperature"] == 0
        assert body["messages"] == [
            {"role": "user", "content": [{"type": "text", "text": "Is the ball red?"}]}
        ]
        schema = body["response_format"]["json_schema"]["schema"]
        assert schema["properties"]["answer"]["enum"] == ["yes", "no"]
        assert server.authorizations == [f"Bearer {KEY}"]
        assert (reply.text, reply.model, reply.fingerprint) == (
            '{"answer": "yes"}',
            "served-model-2026-01",
            "fp_1",
        )
        assert reply.structured
        assert not reply.cached

    def test_a_question_without_choices_asks_for_no_format(self, server, asking):
        assert not asking().client.ask(question(choices=())).structured
        assert "response_format" not in server.requests[0]

    def test_a_server_that_takes_no_format_is_asked_without_from_then_on(self, server, asking, caplog):
        server.script = [fails(400, "response_format is not supported")]
        client = asking().client
        assert [client.ask(question(text)).structured for text in ("a", "b")] == [False, False]
        assert ["response_format" in body for body in server.requests] == [True, False, False]
        assert "takes no response_format" in caplog.text

    def test_that_is_remembered_so_asking_again_needs_no_server(self, server, asking):
        server.script = [fails(400, "json_schema: unknown field")]
        asking().client.ask(question("a"))
        asking().client.ask(question("b"))
        n_requests = len(server.requests)
        again = asking().client
        assert again.ask(question("b")).cached
        assert again.ask(question("a")).cached
        assert len(server.requests) == n_requests == 3

    def test_temperature_and_the_limits_name_can_be_changed(self, server, asking):
        asking(temperature=None, token_limit="max_completion_tokens", max_output_tokens=7, seed=3).client.ask(
            question()
        )
        (body,) = server.requests
        assert "temperature" not in body
        assert "max_tokens" not in body
        assert (body["max_completion_tokens"], body["seed"]) == (7, 3)

    def test_a_server_without_keys_needs_none(self, server, asking, monkeypatch):
        monkeypatch.delenv("OPENAI_API_KEY")
        assert asking().client.ask(question()).text
        assert server.authorizations == ["Bearer no-key"]


class TestCache:
    def test_a_second_run_costs_nothing(self, server, asking):
        first = asking(usd_per_million_input=1.0)
        assert first.client.ask(question()).usd == pytest.approx(0.001)
        second = asking(usd_per_million_input=1.0)
        reply = second.client.ask(question())
        assert reply.cached
        assert reply.usd == 0
        assert second.client.spent.requests == 0
        assert len(server.requests) == 1

    @pytest.mark.parametrize(
        "change", [{"model": "other"}, {"max_output_tokens": 9}, {"seed": 1}, {"temperature": 0.5}]
    )
    def test_another_request_is_another_entry(self, server, asking, change):
        asking().client.ask(question())
        assert not asking(**change).client.ask(question()).cached
        assert len(server.requests) == 2

    def test_what_failed_is_not_kept(self, server, asking):
        server.script = [fails(400, "no such image")]
        client = asking().client
        with pytest.raises(EndpointError, match=r"status 400: .*no such image"):
            client.ask(question())
        assert not client.ask(question()).cached

    def test_equal_questions_side_by_side_are_paid_for_once(self, server, asking):
        release = threading.Event()

        def slow(body):
            release.wait(timeout=30)
            return says('{"answer": "no"}')

        server.default = slow
        client = asking(concurrency=4).client
        timer = threading.Timer(0.2, release.set)
        timer.start()
        replies = client.ask_many([question()] * 4)
        timer.join()
        assert len(server.requests) == 1
        assert [reply.text for reply in replies] == ['{"answer": "no"}'] * 4

    def test_a_file_that_is_no_cache_is_refused(self, tmp_path):
        (tmp_path / "responses.sqlite").write_bytes(b"no database" * 100)
        with pytest.raises(RunFolderError, match=r"cache of responses .*responses.sqlite"):
            ResponseCache(tmp_path / "responses.sqlite")


class TestMisbehaviour:
    @pytest.mark.parametrize(
        "first",
        [
            fails(429),
            fails(500),
            fails(503),
            Response(body='{"choices": [{"mess'),  # whole by its length, not by its JSON
            Response(body="<html>gateway</html>"),
            Response(body='{"choices": []}'),
            Response(body='{"object": "error", "message": "overloaded"}'),
            Response(body=says("x").body, cut=40),  # the connection closes in mid-body
        ],
        ids=["429", "500", "503", "broken-json", "html", "no-choice", "other-json", "truncated"],
    )
    def test_another_attempt_mends_it(self, server, asking, first):
        server.script = [first, fails(502)]
        one = asking()
        assert one.client.ask(question()).text == '{"answer": "yes"}'
        assert one.client.spent.requests == len(server.requests) == 3
        assert len(one.waits) == 2

    def test_a_hanging_server_is_given_up_and_asked_again(self, server, asking):
        server.script = [Response(hang=True)]
        one = asking(timeout_s=0.3)
        assert one.client.ask(question()).text
        assert len(server.requests) == 2

    def test_retry_after_is_honoured(self, server, asking):
        server.script = [fails(429, Retry_After="7"), fails(503, retry_after_ms="1500"), fails(429)]
        one = asking(backoff_s=2.0)
        one.client.ask(question())
        assert one.waits[:2] == [7.0, 1.5]
        # The third failure says nothing: 2 s doubled twice, times a draw from 0.5 to 1.
        assert 4.0 <= one.waits[2] <= 8.0

    def test_a_wait_beyond_the_limit_ends_the_request(self, server, asking):
        server.script = [fails(429, "quota", Retry_After="3600")]
        one = asking(max_wait_s=60)
        with pytest.raises(EndpointError, match=r"after 1 attempts: status 429: .*quota"):
            one.client.ask(question())
        assert one.waits == []

    def test_waits_grow_and_end(self, server, asking):
        server.default = lambda body: fails(500)
        one = asking(max_attempts=4, backoff_s=1.0, max_wait_s=3.0)
        with pytest.raises(EndpointError, match="no answer after 4 attempts: status 500"):
            one.client.ask(question())
        bounds = [(0.5, 1.0), (1.0, 2.0), (1.5, 3.0)]
        assert all(low <= wait <= high for wait, (low, high) in zip(one.waits, bounds, strict=True))

    def test_one_bad_request_does_not_take_the_others_along(self, server, asking):
        bad = "bad"
        server.default = lambda body: (
            fails(400, "too many images") if bad in str(body["messages"]) else says("fine")
        )
        replies = asking().client.ask_many([question("a"), question(bad), question("c")])
        assert isinstance(replies[1], EndpointError)
        assert [replies[0].text, replies[2].text] == ["fine", "fine"]

    def test_a_server_that_always_fails_ends_the_run(self, server, asking):
        server.default = lambda body: fails(500)
        client = asking(max_attempts=1).client
        for number in range(4):
            with pytest.raises(EndpointError):
                client.ask(question(str(number)))
        with pytest.raises(EndpointUnavailableError, match="5 requests in a row"):
            client.ask(question("5"))

    def test_nobody_listens(self, tmp_path, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        cache = ResponseCache(tmp_path / "r.sqlite")
        with socket.socket() as silent:  # bound and not listening: no other process can take the port
            silent.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
            settings = EndpointSettings(url=url, model="m", max_attempts=2)
            client = EndpointClient(settings, cache, sleep=lambda seconds: None)
            with pytest.raises(EndpointUnavailableError, match=r"after 2 attempts: .*is the server running"):
                client.ask(question())
        client.close()
        cache.close()

    @pytest.mark.parametrize(
        ("status", "hint"), [(401, r"\$OPENAI_API_KEY"), (403, "may not use"), (404, "no such .*model")]
    )
    def test_a_wrong_key_or_model_is_said_at_once(self, server, asking, status, hint):
        server.script = [fails(status)]
        with pytest.raises(EndpointUnavailableError, match=hint):
            asking().client.ask(question())
        assert len(server.requests) == 1

    def test_a_refusal_is_an_answer(self, server, asking):
        server.script = [says(None, refusal="I cannot look at people.")]
        reply = asking().client.ask(question())
        assert (reply.text, reply.refusal) == ("", "I cannot look at people.")
        assert asking().client.ask(question()).cached

    def test_a_response_without_usage_counts_no_tokens(self, server, asking):
        body = completion("yes")
        del body["usage"], body["model"], body["system_fingerprint"]
        server.default = lambda _: Response(body=str(body).replace("'", '"').replace("None", "null"))
        reply = asking().client.ask(question())
        assert (reply.input_tokens, reply.model, reply.fingerprint) == (0, "asked-model", None)


class TestCeilings:
    def test_requests(self, server, asking):
        client = asking(max_requests=2).client
        client.ask(question("1"))
        client.ask(question("2"))
        with pytest.raises(EndpointUnavailableError, match=r"max_requests=2 is reached.*cached"):
            client.ask(question("3"))
        assert client.ask(question("1")).cached
        assert len(server.requests) == 2

    def test_attempts_count(self, server, asking):
        server.default = lambda body: fails(500)
        with pytest.raises(EndpointUnavailableError, match="max_requests=3"):
            asking(max_requests=3, max_attempts=5).client.ask(question())
        assert len(server.requests) == 3

    def test_cost(self, server, asking):
        # 1000 tokens in at 2 USD and 10 out at 100 USD per million: 0.002 + 0.001 = 0.003 USD a request.
        # Three make 0.009; a fourth would end at 0.012 > 0.01.
        client = asking(max_usd=0.01, usd_per_million_input=2.0, usd_per_million_output=100.0).client
        for number in range(3):
            assert client.ask(question(str(number))).usd == pytest.approx(0.003)
        with pytest.raises(EndpointUnavailableError, match=r"max_usd=0.01 leaves no room after 0.0090"):
            client.ask(question("4"))
        assert client.spent.usd == pytest.approx(0.009)
        assert (client.spent.input_tokens, client.spent.output_tokens) == (3000, 30)

    def test_requests_side_by_side_keep_below_the_cost_together(self, server, asking):
        client = asking(max_usd=0.01, usd_per_million_input=3.0, concurrency=8).client
        client.ask(question("first"))
        with pytest.raises(EndpointUnavailableError):
            client.ask_many([question(str(number)) for number in range(20)])
        assert client.spent.usd <= 0.01

    def test_never_more_at_once_than_allowed(self, server, asking):
        # The barrier opens only when 3 requests are under way together; a fourth would be counted.
        server.gate = threading.Barrier(3)
        client = asking(concurrency=3).client
        assert len(client.ask_many([question(str(number)) for number in range(12)])) == 12
        assert server.most_at_once == 3

    def test_fewer_at_once_while_the_server_says_too_many(self, server, asking):
        together = threading.Barrier(8)
        server.script = [replace(fails(429), gate=together) for _ in range(8)]
        client = asking(concurrency=8).client
        replies = client.ask_many([question(str(number)) for number in range(8)])
        assert [reply.text for reply in replies] == ['{"answer": "yes"}'] * 8
        # Eight refused together halve the places, to four; each answer adds a part of a place.
        assert 4 <= client.places < 8
        client.ask_many([question(f"more {number}") for number in range(40)])
        assert client.places == 8


class TestTheKeyStaysSecret:
    def test_in_logs_errors_replies_settings_and_the_cache(self, server, asking, tmp_path, caplog):
        """The server repeats the key wherever it can; nothing that is kept or shown may hold it."""
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        root = logging.getLogger()
        root.addHandler(handler)
        caplog.set_level(logging.DEBUG)
        for name in ("openai", "httpx", "httpcore", "httpx2", "httpcore2"):
            logging.getLogger(name).setLevel(logging.DEBUG)
        echo = f"key {KEY} is no good"
        server.script = [
            fails(500, echo),
            says(echo, model=f"m-{KEY}", refusal=echo),
            fails(401, echo),
            fails(400, "x" * 290 + KEY),
            fails(429, echo, Retry_After="9999"),
            Response(body=f'{{"choices": "{KEY}"}}'),
            fails(418, echo),
        ]
        one = asking(max_attempts=2)
        shown = [str(one.client.ask(question("kept")).to_json()), str(one.client.settings.to_json())]
        errors = []
        for text in ("b", "c", "d", "e"):
            with pytest.raises((EndpointError, EndpointUnavailableError)) as caught:
                one.client.ask(question(text))
            errors.append(caught.value)
            shown.append("".join(traceback.format_exception(caught.value)))
            shown.append(repr(caught.value.__context__) + repr(caught.value.__cause__))
        root.removeHandler(handler)
        one.close()
        shown += [stream.getvalue(), caplog.text, repr(one.client.settings)]
        assert "[key]" in shown[0]
        assert all(error.__context__ is None and error.__cause__ is None for error in errors)
        assert [KEY in text for text in shown] == [False] * len(shown)
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert files
        assert not any(KEY.encode() in path.read_bytes() for path in files)

    @pytest.mark.parametrize(
        ("key", "text", "answer", "message"),
        [
            ("none", "none of the above", "none of the above", "none of the above"),
            ("EMPTY", "an EMPTY box", "an EMPTY box", "an EMPTY box"),
            ("no-key", "no-key", "no-key", "no-key"),
            ("not-needed-here-at-all", "not-needed-here-at-all", "not-needed-here-at-all", None),
            ("1", "there is 1", "there is 1", "there is 1"),
            ("blue7bus", "a blue7bus, blue7buses", "a blue7bus, blue7buses", "a [key], blue7buses"),
            (KEY, f"m-{KEY}s", "m-[key]s", "m-[key]s"),
            ("a b c d e f g h 1 2", "a b c d e f g h 1 2", "a b c d e f g h 1 2", None),
        ],
    )
    def test_only_where_it_is_a_secret(self, key, text, answer, message):
        assert without_key(text, key, is_answer=True) == answer
        assert without_key(text, key) == (answer if message is None else message)

    def test_a_key_that_is_a_word_leaves_the_answer_alone(self, server, asking, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        server.script = [says("none of the above")]
        assert asking().client.ask(question(choices=())).text == "none of the above"

    def test_an_address_with_a_password_is_refused_without_repeating_it(self):
        with pytest.raises(SpecError, match="environment alone") as caught:
            EndpointSettings(url=f"http://user:{KEY}@host/v1", model="m")
        assert KEY not in str(caught.value)

    def test_a_key_that_is_no_header_is_not_shown(self, server, asking, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\nsecond")
        with pytest.raises(EndpointUnavailableError, match="line break") as caught:
            asking().client.ask(question())
        assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"url": "localhost:8000"}, "not an http address"),
        ({"url": "http://host:port/v1"}, "cannot be read"),
        ({"model": ""}, "name of a model"),
        ({"concurrency": 0}, "concurrency must be positive"),
        ({"timeout_s": float("nan")}, "timeout_s must be positive"),
        ({"max_usd": 5.0}, "needs prices"),
        ({"max_requests": -1}, "max_requests must not be negative"),
    ],
)
def test_bad_settings(change, complaint):
    with pytest.raises(SpecError, match=complaint):
        EndpointSettings(**{"url": "http://host/v1", "model": "m", **change})
