"""`endpoint:` from its spec string to answers, against a real server."""

from __future__ import annotations

import json

import pytest
import torch

pytest.importorskip("openai")

from tests.vtok_eval.endpoint.chat_server import KEY, fails, says
from vtok_eval.answerers.endpoint import build_endpoint
from vtok_eval.answerers.request import AnswerRequest, BatchAnswerer
from vtok_eval.data import Clip
from vtok_eval.endpoint.errors import EndpointError, EndpointUnavailableError
from vtok_eval.errors import SpecError, UnknownNameError

CPU = torch.device("cpu")


@pytest.fixture
def clip() -> Clip:
    frames = torch.arange(10, dtype=torch.uint8)[:, None, None, None] * 20
    return Clip(frames.expand(-1, 3, 16, 24).contiguous(), 5.0)


@pytest.fixture
def build(server, tmp_path, monkeypatch):
    monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path / "cache"))
    made = []

    def make(options: str = ""):
        spec = f"some-model,url={server.url}{options}"
        made.append(build_endpoint(spec, device=CPU, sleep=lambda seconds: None))
        return made[-1]

    yield make
    for answerer in made:
        answerer.client.close()


def texts(answers) -> list[str]:
    return [answer.text for answer in answers]


def test_frames_and_question_are_sent_and_the_label_comes_back(server, build, clip):
    server.default = lambda body: says('{"answer": "B"}')
    answerer = build(",frames=3,frame_format=png")
    assert isinstance(answerer, BatchAnswerer)
    assert answerer.answer(clip, "Which?\nA. red\nB. blue", ["red", "blue"]) == "B"
    (body,) = server.requests
    *pictures, text = body["messages"][0]["content"]
    assert text["text"] == "Which?\nA. red\nB. blue"
    assert [part["type"] for part in pictures] == ["image_url"] * 3
    enum = body["response_format"]["json_schema"]["schema"]["properties"]["answer"]["enum"]
    assert enum == ["A", "B"]


def test_prose_and_refusals_are_handed_over_as_they_are(server, build):
    server.script = [says("The answer is (B), I believe."), says(None, refusal="No.")]
    one = build(",concurrency=1")
    requests = [AnswerRequest(None, text, ("red", "blue")) for text in ("1", "2")]
    prose, refusal = one.answer_batch(requests)
    assert prose.text == "The answer is (B), I believe."
    assert (refusal.text, refusal.raw["refusal"]) == ("", "No.")


def test_what_was_cut_at_the_token_limit_is_known(server, build):
    server.script = [
        says("The ball is round, so", finish_reason="length"),
        says("B"),
        says("A", finish_reason=None),
    ]
    answers = [build().answer_batch([AnswerRequest(None, text)])[0] for text in ("one", "two", "three")]
    assert [each.is_cut for each in answers] == [True, False, None]


def test_order_cost_and_version(server, build, clip):
    server.default = lambda body: says(body["messages"][0]["content"][-1]["text"].upper())
    one = build(",frames=2,usd_per_million_input=1.0")
    requests = [AnswerRequest(shown, text) for text in ("a", "b", "c") for shown in (clip, None)]
    answers = one.answer_batch(requests)
    assert texts(answers) == ["A", "A", "B", "B", "C", "C"]
    assert answers[0].cost == {
        "usd": pytest.approx(0.001),
        "requests": 1.0,
        "input_tokens": 1000.0,
        "output_tokens": 10.0,
        "frames": 2.0,
        "pixels": 2.0 * 16 * 24,
    }
    assert answers[0].raw["model"] == "served-model-2026-01"
    again = build(",frames=2,usd_per_million_input=1.0").answer_batch(requests)
    assert texts(again) == texts(answers)
    assert [answer.cost["requests"] + answer.cost["usd"] for answer in again] == [0.0] * 6
    assert len(server.requests) == 6


def test_one_bad_question_costs_the_others_nothing(server, build):
    server.default = lambda body: fails(400, "no") if "bad" in str(body["messages"]) else says("fine")
    one = build()
    requests = [AnswerRequest(None, text) for text in ("x", "bad", "y")]
    with pytest.raises(EndpointError, match="status 400"):
        one.answer_batch(requests)
    assert len(server.requests) == 3
    assert texts(one.answer_batch([requests[0], requests[2]])) == ["fine", "fine"]
    assert len(server.requests) == 3


def test_a_ceiling_ends_the_run(build):
    one = build(",max_requests=1,concurrency=1")
    with pytest.raises(EndpointUnavailableError, match="max_requests=1"):
        one.answer_batch([AnswerRequest(None, text) for text in ("x", "y")])


def test_description_is_json_without_the_key(build):
    description = build(",temperature=none,fps=2,sampling=fps").describe()
    assert KEY not in json.dumps(dict(description))
    assert description["model"] == "some-model"
    assert description["temperature"] is None
    assert (description["sampling_rule"], description["fps"]) == ("fps", 2.0)


@pytest.mark.parametrize(
    ("spec", "error", "complaint"),
    [
        ("", SpecError, "does not say which model: write endpoint:MODEL"),
        ("m", SpecError, "needs the option 'url': write endpoint:MODEL,url="),
        ("m,url=http://h/v1,frame=3", UnknownNameError, "did you mean 'frames'"),
        ("m,url=http://h/v1,frames=many", SpecError, "frames=many is not valid"),
        ("m,url=http://h/v1,frame_format=gif", SpecError, "frame_format=gif is not valid"),
        ("m,url=http://h/v1,sleep=3", UnknownNameError, "unknown option of endpoint 'sleep'"),
        ("m,model=n,url=http://h/v1", SpecError, "gives model twice"),
        ("(m,url=http://h/v1", SpecError, "parentheses"),
    ],
)
def test_bad_specs(spec, error, complaint):
    with pytest.raises(error, match=complaint):
        build_endpoint(spec, device=CPU)


def test_a_model_name_with_a_comma_stands_in_parentheses(build, server):
    answerer = build_endpoint(f"(a,b=c),url={server.url}", device=CPU)
    assert answerer.client.settings.model == "a,b=c"
    answerer.client.close()
