"""Judges by name, and how a judge's spec string becomes a judge."""

from __future__ import annotations

from tv_align.judges.judge import Judge
from tv_align.judges.named import NamedJudge
from vtok_eval.registry import Registry
from vtok_eval.specs.binding import bind, construct
from vtok_eval.specs.grammar import parse_spec, split_name

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
    own. Options are keyword arguments of the judge's class, read as its annotations say. `NAME=SPEC` gives
    the judge a name.

    Raises:
        UnknownNameError: there is no such judge, or it has no such option; names the nearest.
        SpecError: the spec cannot be read, or an option's value is refused.
        MissingDependencyError: the judge needs a package or weights that are missing.
    """
    given, spec = split_name(spec.strip())
    made = _built(spec)
    return NamedJudge(made, name=given) if given else made


def _built(spec: str) -> Judge:
    name, _, argument = spec.partition(":")
    make = JUDGES.resolve(name) if name in JUDGES else None
    if make is not None and hasattr(make, "from_argument"):
        asked: Judge = make.from_argument(argument)
        return asked
    subject = str(getattr(make, "subject", ""))
    parsed = parse_spec(spec, known=JUDGES, what="judge", subject=subject)
    if make is None:
        from tv_align.judges.own import build_own

        return build_own(parsed, known=JUDGES)
    what = f"judge {parsed.name}"
    made: Judge = construct(make, bind(make, parsed.options, what=what, subject=subject), what=what)
    return made
