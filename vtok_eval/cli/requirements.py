"""What vtok-eval declares that it needs: its own requirements, extras and their markers."""

from __future__ import annotations

import importlib.metadata as metadata
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

DISTRIBUTION = "vtok-eval"


@dataclass(frozen=True)
class OwnMetadata:
    """What vtok-eval declares about itself: requirements as in `Requires-Dist`, markers included."""

    requires_python: str
    requirements: tuple[str, ...]
    extras: tuple[str, ...]


def own_metadata() -> OwnMetadata:
    """From the installed distribution; from pyproject.toml where the code runs out of a source tree."""
    try:
        found = metadata.metadata(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return _source_metadata(Path(__file__).resolve().parents[2] / "pyproject.toml")
    return OwnMetadata(
        requires_python=found["Requires-Python"],
        requirements=tuple(found.get_all("Requires-Dist") or ()),
        extras=tuple(found.get_all("Provides-Extra") or ()),
    )


def _source_metadata(path: Path) -> OwnMetadata:
    project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    extras: dict[str, list[str]] = project.get("optional-dependencies", {})
    optional = [_with_extra(text, extra) for extra, texts in extras.items() for text in texts]
    return OwnMetadata(
        requires_python=project["requires-python"],
        requirements=(*project["dependencies"], *optional),
        extras=tuple(extras),
    )


def _with_extra(text: str, extra: str) -> str:
    """The requirement as `Requires-Dist` words it for an extra."""
    requirement, _, marker = text.partition(";")
    condition = f"extra == '{extra}'"
    return f"{requirement}; ({marker.strip()}) and {condition}" if marker else f"{requirement}; {condition}"


def applies(text: str, *, extra: str) -> bool:
    """Whether this environment wants the requirement when `extra` is asked for ("" for none).

    Example:
        >>> applies("numpy>=1.26", extra="")
        True
    """
    from packaging.requirements import Requirement

    marker = Requirement(text).marker
    return marker is None or marker.evaluate({"extra": extra})


def belongs_to(text: str, extra: str) -> bool:
    """Whether the requirement is one of the extra's, wanted in this environment or not."""
    from packaging.requirements import Requirement

    marker = str(Requirement(text).marker or "")
    return f'extra == "{extra}"' in marker


def condition_in_words(text: str) -> str:
    """The requirement and what it asks of the environment, in words."""
    from packaging.requirements import Requirement

    wanted = Requirement(text)
    asked = re.sub(r"""( and )?extra == ["'][^"']*["']""", "", str(wanted.marker or ""))
    return f"{wanted.name}{wanted.specifier} needs {asked}"
