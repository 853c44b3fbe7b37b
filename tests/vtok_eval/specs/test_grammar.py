"""The grammar of spec strings: one for tokenizers, generators, answerers and judges."""

from __future__ import annotations

import pytest

from vtok_eval.errors import SpecError, UnknownNameError
from vtok_eval.specs.grammar import parse_options, parse_spec, split_name


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("vtok", "vtok", {}),
        (" vtok:grid=2 ", "vtok", {"grid": "2"}),
        ("frames-4", "frames", {"count": "4"}),
        ("frames-8:grid=2", "frames", {"grid": "2", "count": "8"}),
        ("vtok:residual=off", "vtok", {"residual": "off"}),
        ("frames:budget=match:vtok", "frames", {"budget": "match:vtok"}),
        (
            "vtok:backbone=open_clip:ViT-L-14-336/openai,grid=4,stride=6,checkpoint=p.safetensors",
            "vtok",
            {
                "backbone": "open_clip:ViT-L-14-336/openai",
                "grid": "4",
                "stride": "6",
                "checkpoint": "p.safetensors",
            },
        ),
        (
            "frames:budget=match:(vtok:stride=1,pool=grid),grid=2",
            "frames",
            {"budget": "match:(vtok:stride=1,pool=grid)", "grid": "2"},
        ),
        ("vtok:backbone=(open_clip:a:random=0)", "vtok", {"backbone": "open_clip:a:random=0"}),
        ("my_file.py:MyTokenizer", "my_file.py:MyTokenizer", {}),
        ("dir/my_file.py:Mine:width=64", "dir/my_file.py:Mine", {"width": "64"}),
        ("package.module:Class:opt=1,b=(x,y)", "package.module:Class", {"opt": "1", "b": "x,y"}),
        ("module:Class", "module:Class", {}),
    ],
)
def test_reads(text: str, name: str, options: dict[str, str]) -> None:
    spec = parse_spec(text)
    assert (spec.name, dict(spec.options)) == (name, options)
    assert spec.is_user_class == (":" in name)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no name"),
        (":grid=2", "no name"),
        ("vtok:grid", "option=value"),
        ("vtok:grid=", "option=value"),
        ("vtok:=4", "option=value"),
        ("vtok:grid=2,", "option=value"),
        ("vtok:grid=2,grid=4", "twice"),
        ("vtok:grid=(2", "parentheses"),
        ("vtok:grid=2)", "parentheses"),
        ("vtok:grid=)2(", "parentheses"),
        ("frames-", "frames-4"),
        ("frames-0", "frames-4"),
        ("frames--1", "frames-4"),
        ("frames-four", "frames-4"),
        ("frames-²", "frames-4"),
        ("frames-4:count=8", "twice"),
    ],
)
def test_refuses_in_one_line(text: str, complaint: str) -> None:
    with pytest.raises(SpecError, match=complaint) as caught:
        parse_spec(text)
    assert "\n" not in str(caught.value)


def test_options_cannot_be_changed_afterwards() -> None:
    with pytest.raises(TypeError):
        parse_spec("vtok:grid=2").options["grid"] = "4"


def test_an_unknown_name_gets_the_nearest_even_where_its_options_cannot_be_read() -> None:
    with pytest.raises(UnknownNameError, match="unknown judge 'clipp'; did you mean 'clip'"):
        parse_spec("clipp:ViT-B-32/openai", known=["clip", "oracle"], what="judge")
    with pytest.raises(UnknownNameError, match="unknown tokenizer 'nobody-knows'"):
        parse_spec("nobody-knows:grid=2")


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", {}),
        ("ViT-B-32/openai", {"model": "ViT-B-32/openai"}),
        ("ViT-B-32:random=0,frames=4", {"model": "ViT-B-32:random=0", "frames": "4"}),
        ("(a,b=1),frames=4", {"model": "a,b=1", "frames": "4"}),
        ("frames=4,model=m", {"frames": "4", "model": "m"}),
    ],
)
def test_the_subject_may_come_first_without_its_name(text: str, options: dict[str, str]) -> None:
    assert dict(parse_options(text, spec=text, subject="model")) == options


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("m,model=n", "gives model twice"),
        (",frames=4", "is not an option"),
        ("frames=4,m", "is not an option"),
    ],
)
def test_a_subject_in_the_wrong_place_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(SpecError, match=complaint):
        parse_options(text, spec=text, subject="model")


@pytest.mark.parametrize(
    ("text", "name", "spec"),
    [
        ("mine=my_file.py:Mine:width=64", "mine", "my_file.py:Mine:width=64"),
        ("v2.1+a_b-c=frames-4", "v2.1+a_b-c", "frames-4"),
        ("a=videos:x=1", "a", "videos:x=1"),
        ("vtok:grid=4", "", "vtok:grid=4"),
        ("codec:libx264:crf=28", "", "codec:libx264:crf=28"),
        ("./a=b/file.py:Mine", "", "./a=b/file.py:Mine"),
        ("/data/a=b", "", "/data/a=b"),
        ("=frames-4", "", "=frames-4"),
        ("mine=", "", "mine="),
        ("frames-4", "", "frames-4"),
    ],
)
def test_a_name_comes_before_the_spec(text: str, name: str, spec: str) -> None:
    assert split_name(text) == (name, spec)
