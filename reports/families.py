"""Which systems belong together: the family that a spec names, and the line that joins its settings."""

from __future__ import annotations

import re

from reports.run_document import RunSystem

ALONE = frozenset({"videos", "generator", "answerer"})
"""Kinds of system without families."""
HEADS = frozenset({"codec", "diffusers"})
"""Specs of these name a codec, or a model, before their options."""


def family(system: RunSystem) -> str:
    """ "vtok", "frames", or the name before the first colon of another spec; controls go with theirs.

    A language model that reads a tokenizer's tokens belongs to the tokenizer's family.

    Example:
        >>> from reports.run_document import RunSystem
        >>> family(RunSystem(name="vtok-grid", spec="vtok:pool=grid"))
        'vtok'
        >>> family(RunSystem(name="frames-2", spec="vtok-llava:readers/frames-2"))
        'frames'
    """
    spec = _spec_of_tokens(system)
    head = re.match(r"[A-Za-z_]*", spec)
    name = head.group() if head else ""
    return name if name in {"vtok", "frames"} else spec.partition(":")[0]


def _spec_of_tokens(system: RunSystem) -> str:
    """The spec of the tokenizer; of a reader that does not say which it reads, its name."""
    if system.spec.partition(":")[0] != "vtok-llava":
        return system.spec or system.name
    tokenizer = system.description.get("tokenizer")
    spec = tokenizer.get("spec") if isinstance(tokenizer, dict) else None
    return str(spec or system.name)


def color_key(system: RunSystem) -> str:
    """What systems of one colour have in common: their family, of codecs and models of diffusers its member.

    Folders of videos, generators and answerers have no families: each has a colour of its own.

    Example:
        >>> from reports.run_document import RunSystem
        >>> color_key(RunSystem(name="h264-crf28", spec="codec:libx264:crf=28", kind="codec"))
        'codec:libx264'
        >>> color_key(RunSystem(name="theirs", spec="videos:theirs", kind="videos"))
        'videos theirs'
    """
    if system.kind in ALONE:
        return f"{system.kind} {system.name}"
    name = family(system)
    return ":".join((system.spec or system.name).split(":")[:2]).partition("@")[0] if name in HEADS else name


def line_of(system: RunSystem) -> str:
    """Names the line that joins systems which differ in their budget only: frames-1, frames-2, ...

    The number of frames and the stride set the budget, of a video codec its quality; a system matched to
    another's budget is on no line.
    """
    head, _, options = (system.spec or system.name).partition(":")
    head = re.sub(r"-\d+$", "", head)
    if head == "codec":
        options = re.sub(r"[:,]?(crf|bits_per_pixel)=[^,]*", "", options)
    kept = sorted(option for option in options.split(",") if option and not option.startswith("stride="))
    if any(option.startswith("budget=") for option in kept):
        return f"{head}:{options} as {system.name}"
    return f"{head}:{','.join(kept)}"
