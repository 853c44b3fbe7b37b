"""Planning, listing and looking around never open a connection; what is missing is said from the disk."""

from __future__ import annotations

import socket

import pytest
import torch
from huggingface_hub import constants
from typer.testing import CliRunner

from tv_align.judges.registry import JUDGES, build_judge
from vtok_eval.cli import main as command_line
from vtok_eval.cli.model_weights import check_weights
from vtok_eval.errors import VtokEvalError
from vtok_eval.registry import ANSWERERS, BACKBONES
from vtok_eval.tokenizers.build import BuildContext

BACKBONE_SPECS = {
    "efficientnet_lite0": ["efficientnet_lite0"],
    "open_clip": [
        "open_clip:ViT-L-14-336/openai",
        "open_clip:ViT-B-16-SigLIP/webli",
        "open_clip:roberta-ViT-B-32:random=0",
    ],
}
JUDGE_SPECS = {
    "oracle": ["oracle"],
    "clip": ["clip:ViT-B-32/openai", "clip:ViT-B-16-SigLIP/webli"],
    "endpoint": ["endpoint:model,url=http://127.0.0.1:9/v1"],
    "human": ["human:key=key.json,labels=labels"],
    "always-yes": ["always-yes"],
}
ANSWERER_SPECS = {
    "hf": ["owner/name"],
    "vtok-llava": ["language_model=owner/name,tokenizer=frames-1,projection=p.safetensors"],
    "endpoint": ["model,url=http://127.0.0.1:9/v1"],
    "zero-shot": ["ViT-B-32/openai", "ViT-B-16-SigLIP/webli"],
    "replay": ["answers.jsonl"],
}


@pytest.fixture(autouse=True)
def attempts(monkeypatch, tmp_path):
    """Every attempt to connect or to look up a name, all refused; hubs are not told to stay offline."""
    seen: list[object] = []

    def refuse(*arguments, **options):
        seen.append(arguments[1:] or options)
        raise OSError("no connection may be opened here")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "create_connection", "gethostbyname"):
        monkeypatch.setattr(socket, name, refuse)
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-key")
    monkeypatch.chdir(tmp_path)
    return seen


def vtok_eval(*arguments: str):
    return CliRunner().invoke(command_line.app, arguments)


def test_the_guard_sees_an_attempt(attempts):
    import urllib.request

    with pytest.raises(OSError, match="no connection"):
        urllib.request.urlopen("http://example.org")
    assert attempts


def test_each_registered_name_is_tried():
    assert BACKBONE_SPECS.keys() == BACKBONES.built_in.keys()
    assert JUDGE_SPECS.keys() == JUDGES.built_in.keys()
    assert ANSWERER_SPECS.keys() == ANSWERERS.built_in.keys()


def refusal(call) -> str:
    """What the call refuses with, one line; empty where it goes through."""
    try:
        call()
    except VtokEvalError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("spec", [spec for specs in BACKBONE_SPECS.values() for spec in specs])
def test_backbones(spec, attempts):
    context = BuildContext(device=torch.device("cpu"))
    said = refusal(lambda: context.backbone(spec))
    assert ("vtok-eval fetch open_clip:" in said) == (spec != "efficientnet_lite0")
    assert "\n" not in said
    assert attempts == []


@pytest.mark.parametrize("spec", [spec for specs in JUDGE_SPECS.values() for spec in specs])
def test_judges(spec, attempts):
    assert "\n" not in refusal(lambda: build_judge(spec))
    assert attempts == []


@pytest.mark.parametrize(
    ("name", "argument"), [(name, spec) for name, specs in ANSWERER_SPECS.items() for spec in specs]
)
def test_answerers(name, argument, attempts):
    said = refusal(lambda: ANSWERERS.resolve(name)(argument, device=torch.device("cpu")))
    assert "\n" not in said
    assert attempts == []


@pytest.mark.parametrize(
    "spec", ["minilm", "sentence-transformers:all-MiniLM-L6-v2", "open_clip:ViT-B-32/openai"]
)
def test_sentence_encoders(spec, attempts):
    from benchmarks.understanding.questions.probe.sentences.encoders import build_encoder

    assert "\n" not in refusal(lambda: build_encoder(spec, device=torch.device("cpu")))
    assert attempts == []


@pytest.mark.parametrize("suite", ["mini", "paper-probe"])
def test_a_dry_run(suite, attempts):
    done = vtok_eval("run", "--suite", suite, "--dry-run")
    assert done.exception is None, done.output
    assert ("vtok-eval fetch open_clip:ViT-L-14-336/openai" in done.output) == (suite == "paper-probe")
    assert attempts == []


def test_tv_align_without_its_judge(attempts, tmp_path):
    (tmp_path / "videos").mkdir()
    done = vtok_eval("run", "--benchmark", "tv-align", "--videos", "videos")
    assert isinstance(done.exception, VtokEvalError)
    assert "\n" not in str(done.exception)
    assert "(about 605 MB)" in str(done.exception)
    assert "vtok-eval fetch open_clip:ViT-B-32/openai" in str(done.exception)
    assert attempts == []


def test_listing_and_doctor(attempts):
    assert vtok_eval("list").exit_code == 0
    vtok_eval("doctor", "vbench")
    check_weights()  # all of `doctor` has a test of its own, with the same guard
    assert attempts == []
