"""Judges by name, and how a judge's spec string becomes a judge."""

from __future__ import annotations

import inspect
from typing import Any

import yaml

from tv_align.judges.judge import Judge
from vtok_eval.errors import SpecError, UnknownNameError
from vtok_eval.registry import Registry

JUDGES = Registry(
    "judge",
    {
        "oracle": "tv_align.judges.oracle.judge:Oracle",
        "human": "tv_align.judges.human.judge:Human",
        "always-yes": "tv_align.judges.constant:AlwaysYes",
    },
    {
        "oracle": "measures pixels; understands clips and questions of tv-align-scenes only",
        "human": "human:key=key.json,labels=FOLDER, the majority of raters of a labelling sheet",
        "always-yes": "control: agrees with everything; half of the questions, none of the prompts",
    },
)


def build_judge(spec: str) -> Judge:
    """The judge of a spec: `NAME` or `NAME:option=value,option=value`, values read as YAML scalars.

    A name with a dot is a judge of the user's own, `package.module.Class`.

    Raises:
        UnknownNameError: there is no such judge, or it has no such option.
        SpecError: the spec cannot be read, or an option's value is refused.
        MissingDependencyError: the judge needs a package that is not installed.
    """
    name, _, rest = spec.partition(":")
    make = _own_judge(name) if "." in name else JUDGES.resolve(name)
    options = _options(spec, rest)
    known = [option for option in inspect.signature(make).parameters if option != "self"]
    for option in options:
        if option not in known:
            raise UnknownNameError(what=f"option of judge {name}", name=option, known=known)
    missing = [
        option
        for option, parameter in inspect.signature(make).parameters.items()
        if parameter.default is parameter.empty and option not in options
    ]
    if missing:
        raise SpecError(f"judge {name} needs the option {missing[0]}: write {name}:{missing[0]}=...")
    judge: Judge = make(**options)
    return judge


def _options(spec: str, text: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for part in text.split(",") if text else ():
        key, equals, value = part.partition("=")
        if not equals or not key:
            raise SpecError(f"judge {spec!r}: {part!r} is no option; write NAME:option=value,option=value")
        if key in options:
            raise SpecError(f"judge {spec!r}: the option {key} stands twice")
        options[key] = yaml.safe_load(value) if value else ""
    return options


def _own_judge(name: str) -> Any:
    import importlib

    module, _, attribute = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise SpecError(f"no judge {name!r}: {error}") from error
