from __future__ import annotations

import pytest

from vtok_eval.errors import SpecError
from vtok_eval.specs.grammar import parse_spec


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
        ("nobody-knows:grid=2", "nobody-knows", {"grid": "2"}),
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
        parse_spec("vtok:grid=2").options["grid"] = "4"  # type: ignore[index]
