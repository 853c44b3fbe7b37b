"""Judges by name, and how a judge's spec string becomes a judge."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

from tv_align.judges.judge import Judge
from vtok_eval.registry import Registry

JUDGES = Registry(
    "judge",
    {
        "oracle": "tv_align.judges.oracle.judge:Oracle",
        "clip": "tv_align.judges.clip.judge:ClipJudge",
        "endpoint": "tv_align.judges.endpoint:EndpointJudge",
        "human": "tv_align.judges.human.judge:Human",
        "always-yes": "tv_align.judges.constant:AlwaysYes",
    },
    {
        "oracle": "measures pixels; understands clips and questions of tv-align-scenes only",
        "clip": "clip:NAME/PRETRAINED, captions against their hard negatives by an open_clip model",
        "endpoint": "endpoint:MODEL,url=..., a vision model of any OpenAI-compatible server (extra endpoint)",
        "human": "human:key=key.json,labels=FOLDER, the majority of raters of a labelling sheet",
        "always-yes": "control: agrees with everything; half of the questions, none of the prompts",
    },
)


def build_judge(spec: str) -> Judge:
    """The judge of a spec: `NAME`, `NAME:option=value,...` or `NAME:SUBJECT,option=value,...`.

    `FILE.py:Class` and `package.module:Class`, with `:option=value,...` after them, are judges of the user's
    own. Options are keyword arguments of the judge's class, read as its annotations say.

    Raises:
        UnknownNameError: there is no such judge, or it has no such option; names the nearest.
        SpecError: the spec cannot be read, or an option's value is refused.
        MissingDependencyError: the judge needs a package or weights that are not there.
    """
    name, _, argument = spec.partition(":")
    if name not in JUDGES and _names_user_class(name, argument):
        from tv_align.judges.own import build_own

        class_name, _, options = argument.partition(":")
        own = f"{name}:{class_name}"
        return build_own(own, lambda cls: _arguments(cls, own, options))
    make = JUDGES.resolve(name)
    if hasattr(make, "from_argument"):
        from_argument: Judge = make.from_argument(argument)
        return from_argument
    made: Judge = make(**_arguments(make, name, argument))
    return made


def _names_user_class(head: str, rest: str) -> bool:
    if head.endswith(".py") or "/" in head:
        return True
    if not rest.partition(":")[0].isidentifier() or not head:
        return False
    return "." in head or importlib.util.find_spec(head) is not None


def _arguments(make: Callable[..., Any], name: str, argument: str) -> dict[str, Any]:
    from vtok_eval.answerers.options import arguments_for
    from vtok_eval.specs.grammar import parse_options

    subject = getattr(make, "subject", "")
    if not subject:
        parse_options(argument, spec=f"{name}:{argument}")
    return arguments_for(make, argument, name=f"judge {name}", subject=subject, given={})
