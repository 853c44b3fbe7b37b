"""The judge `endpoint:` against a real server that also misbehaves, alone and through a run."""

from __future__ import annotations

import json
import math
import socket
import threading
from pathlib import Path

import pytest
import torch

pytest.importorskip("openai")

from tests.vtok_eval.endpoint.chat_server import KEY, Response, completion, fails, says
from tv_align.judges.endpoint import INSTRUCTION, EndpointJudge
from tv_align.scenes.prompts import reference_clips, scene_prompts
from vtok_eval.data import Clip
from vtok_eval.endpoint.errors import EndpointError, EndpointUnavailableError
from vtok_eval.errors import SpecError, UnknownNameError
from vtok_eval.results.store import RunFolder
from vtok_eval.run.harness import Harness, RunSettings
from vtok_eval.run.suite import Suite
from vtok_eval.video.encode import encode

QUESTIONS = ["Are there exactly two kites?", "Are there exactly three kites?"]


@pytest.fixture
def clip() -> Clip:
    frames = torch.arange(12, dtype=torch.uint8)[:, None, None, None] * 20
    return Clip(frames.expand(-1, 3, 16, 24).contiguous(), 5.0)


@pytest.fixture
def judge_of(server, tmp_path, monkeypatch):
    monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path / "cache"))
    made = []

    def make(options: str = "") -> EndpointJudge:
        made.append(EndpointJudge.from_argument(f"m,url={server.url}{options}", sleep=lambda seconds: None))
        return made[-1]

    yield make
    for judge in made:
        judge.client.close()


def yes_to_two(body) -> Response:
    """Truth: two kites."""
    question = body["messages"][-1]["content"][-1]["text"]
    return says(json.dumps({"answer": "yes" if "two" in question else "no"}))


def test_each_question_goes_by_itself_with_the_frames_and_the_instruction(server, judge_of, clip):
    server.default = yes_to_two
    verdicts = judge_of(",frames=3,frame_format=png").judge(clip, QUESTIONS)
    assert [verdict.reply for verdict in verdicts] == ["yes", "no"]
    assert verdicts[0].raw["model"] == "served-model-2026-01"
    assert verdicts[0].raw["fingerprint"] == "fp_1"
    assert verdicts[0].probability is None
    assert len(server.requests) == 2
    for body in server.requests:
        system, user = body["messages"]
        assert system == {"role": "system", "content": INSTRUCTION}
        assert [part["type"] for part in user["content"]] == ["image_url"] * 3 + ["text"]
        assert body["temperature"] == 0
        schema = body["response_format"]["json_schema"]["schema"]
        assert schema["properties"]["answer"]["enum"] == ["yes", "no"]
        # One question's wording must not tell the other's answer.
        assert sum(question in json.dumps(body) for question in QUESTIONS) == 1


def test_a_video_part(server, judge_of, clip):
    judge_of(",frames=4,frame_format=video").judge(clip, QUESTIONS[:1])
    video, _ = server.requests[0]["messages"][-1]["content"]
    assert video["video_url"]["url"].startswith("data:video/mp4;base64,")


def test_asking_again_costs_nothing(server, judge_of, clip):
    server.default = yes_to_two
    prices = ",usd_per_million_input=2,usd_per_million_output=100"
    first = judge_of(prices).judge(clip, QUESTIONS)
    # 1,000 tokens in at 2 USD and 10 out at 100 USD a million: 0.002 + 0.001 USD a question.
    assert [verdict.cost["usd"] for verdict in first] == pytest.approx([0.003, 0.003])
    again = judge_of(prices)
    second = again.judge(clip, QUESTIONS)
    assert [v.reply for v in second] == [v.reply for v in first]
    assert [(v.cost["usd"], v.cost["requests"]) for v in second] == [(0, 0), (0, 0)]
    assert len(server.requests) == 2
    assert again.client.spent.requests == 0


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ('{"answer": "no"}', "no"),
        ('```json\n{"answer": "Yes"}\n```', "yes"),
        ("Yes, two kites can be seen.", "yes"),
        ("I count three of them. The answer is no.", "no"),
        ("It could be yes or no.", "unsure"),
        ("I see a beach.", "unsure"),
        ('{"answer": "maybe"}', "unsure"),
        ("", "unsure"),
    ],
)
def test_what_the_model_says_is_read(server, judge_of, clip, text, reply):
    server.script = [says(text)]
    assert judge_of().judge(clip, QUESTIONS[:1])[0].reply == reply


def test_a_refusal_is_unsure_even_where_it_says_no(server, judge_of, clip):
    server.script = [says(None, refusal="No, I cannot look at people.")]
    (verdict,) = judge_of().judge(clip, QUESTIONS[:1])
    assert verdict.reply == "unsure"
    assert verdict.raw["refusal"] == "No, I cannot look at people."


@pytest.mark.parametrize(
    "first",
    [
        fails(429, Retry_After="3"),
        fails(500),
        Response(body='{"choices": [{"mess'),
        Response(body="<html>gateway</html>"),
        Response(body=says("x").body, cut=40),
        Response(hang=True),
    ],
    ids=["429", "500", "malformed", "html", "truncated", "hang"],
)
def test_what_another_attempt_mends(server, judge_of, clip, first):
    server.script = [first]
    (verdict,) = judge_of(",timeout_s=0.5").judge(clip, QUESTIONS[:1])
    assert verdict.reply == "yes"
    assert len(server.requests) == 2


def test_probability_of_yes_among_the_likely_pieces(server, judge_of, clip):
    """yes .6 and " Yes" .1 against no .2: .7 / .9; what is neither does not count."""

    def place(token, probability, **others):
        top = [{"token": t, "logprob": math.log(p)} for t, p in [(token, probability), *others.items()]]
        return {"token": token, "logprob": math.log(probability), "top_logprobs": top}

    body = completion('{"answer": "yes"}')
    body["choices"][0]["logprobs"] = {
        "content": [
            place('{"answer": "', 0.99),
            place("yes", 0.6, **{" Yes": 0.1, "no": 0.2, "may": 0.05}),
            place('"}', 0.99),
        ]
    }
    server.default = lambda _: Response(body=json.dumps(body))
    judge = judge_of(",logprobs=true")
    assert judge.judge(clip, QUESTIONS[:1])[0].probability == pytest.approx(0.7 / 0.9)
    assert judge.judge(clip, QUESTIONS[:1])[0].probability == pytest.approx(0.7 / 0.9)  # from the cache
    assert (server.requests[0]["logprobs"], server.requests[0]["top_logprobs"]) == (True, 5)
    assert len(server.requests) == 1


def test_never_more_requests_at_once_than_allowed(server, judge_of, clip):
    server.gate = threading.Barrier(2)
    questions = [f"Are there exactly {number} kites?" for number in range(8)]
    judge = judge_of(",concurrency=2")
    assert len(judge.judge(clip, questions)) == 8
    assert server.most_at_once == 2
    assert judge.concurrency == 2


@pytest.mark.parametrize(
    ("argument", "error", "words"),
    [
        ("", SpecError, "does not say which model"),
        ("m", SpecError, "url"),
        ("m,url=http://h/v1,framse=3", UnknownNameError, "did you mean 'frames'"),
        ("m,url=http://h/v1,max_usd=2", SpecError, "needs prices"),
        ("m,url=ftp://h/v1", SpecError, "not an http address"),
    ],
)
def test_bad_specs(argument, error, words):
    with pytest.raises(error, match=words):
        EndpointJudge.from_argument(argument)


class TestThroughARun:
    @pytest.fixture
    def videos(self, tmp_path: Path) -> Path:
        folder = tmp_path / "videos"
        folder.mkdir()
        drawn = [item for item in scene_prompts(per_level=2) if item.category == "counting"]
        clips = reference_clips(drawn)
        prompts = {
            "suite": "mine", "version": 1, "source": "a test", "category": "counting",
            "prompts": [item.entry.model_dump() for item in drawn if item.entry.level == "basic"],
        }  # fmt: skip
        (tmp_path / "prompts.json").write_text(json.dumps(prompts))
        for item in drawn:
            if item.entry.level == "basic":
                encode(clips[item.entry.id].load(), folder / f"{item.entry.id}-0.mp4")
        return folder

    def run(self, tmp_path: Path, videos: Path, url: str, options: str = "", *, retry: bool = False):
        judge = f"endpoint:m,url={url},frames=2,max_attempts=1,concurrency=1{options}"
        asked = {"prompts": str(tmp_path / "prompts.json"), "judge": judge}
        suite = Suite.model_validate(
            {
                "name": "t", "label": "test", "setting": "custom",
                "systems": [{"name": "mine", "spec": f"videos:{videos}"}],
                "benchmarks": [{"name": "tv-align", "options": asked}],
            }
        )  # fmt: skip
        settings = RunSettings(device="cpu", batch_size=1, retry_failed=retry)
        summary = Harness(suite, settings, tmp_path / "harness").run(tmp_path / "run")
        return summary, RunFolder.open(tmp_path / "run")

    def test_a_server_that_goes_down_loses_nothing(self, server, tmp_path, videos, monkeypatch):
        """Two clips, two questions each. The key is refused at the third; the next run asks the rest only."""
        monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path / "cache"))
        refused = fails(401, f"bad key {KEY}")
        server.script = [says("yes"), says("no"), refused, refused]
        summary, folder = self.run(tmp_path, videos, server.url)
        assert summary.new_samples == 0
        (stopped,) = summary.not_run
        assert "the key is not accepted" in stopped.reason
        assert len(folder.raw_records()) == 1
        server.script, asked = [], len(server.requests)
        summary, folder = self.run(tmp_path, videos, server.url)
        assert summary.complete
        assert len(folder.raw_records()) == 2
        assert len(server.requests) - asked == 2
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert not any(KEY.encode() in path.read_bytes() for path in files)

    def test_nobody_listens(self, server, tmp_path, videos, monkeypatch):
        monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path / "cache"))
        with socket.socket() as silent:  # bound and not listening: no other process can take the port
            silent.bind(("127.0.0.1", 0))
            summary, _ = self.run(tmp_path, videos, f"http://127.0.0.1:{silent.getsockname()[1]}/v1")
        assert "is the server running?" in summary.not_run[0].reason

    def test_one_failed_clip_is_asked_again(self, server, tmp_path, videos, monkeypatch):
        monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path / "cache"))
        server.script = [fails(500)]
        summary, _ = self.run(tmp_path, videos, server.url)
        (record,) = summary.failed
        assert "status 500" in record.reason
        asked = len(server.requests)
        summary, folder = self.run(tmp_path, videos, server.url, retry=True)
        assert summary.complete
        assert all(record.status == "ok" for record in folder.raw_records())
        assert len(server.requests) - asked == 1  # the clip's other question was cached

    def test_the_ceiling_ends_the_run_and_a_higher_one_goes_on(self, server, tmp_path, videos, monkeypatch):
        monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path / "cache"))
        judge = EndpointJudge.from_argument(f"m,url={server.url},frames=2,max_requests=1,concurrency=1")
        frames = torch.zeros(4, 3, 16, 16, dtype=torch.uint8)
        with pytest.raises(EndpointUnavailableError, match="max_requests=1 is reached"):
            judge.judge(Clip(frames, 4.0), QUESTIONS)
        judge.client.close()
        higher = EndpointJudge.from_argument(f"m,url={server.url},frames=2,max_requests=2,concurrency=1")
        assert len(higher.judge(Clip(frames, 4.0), QUESTIONS)) == 2
        assert (
            len(server.requests) == 2
        )  # the first answer was cached: it is not asked for, nor counted, again
        higher.client.close()


def test_an_error_of_one_question_is_the_clips(server, judge_of, clip):
    server.default = lambda body: fails(400, "too many images") if "three" in str(body) else says("yes")
    with pytest.raises(EndpointError, match="too many images"):
        judge_of().judge(clip, QUESTIONS)
