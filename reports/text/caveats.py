"""What is shown next to a name with its numbers: random weights, a stand-in, a re-creation, a smoke test."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from vtok_eval.errors import RunFolderError
from vtok_eval.results.description import Caveat

_RANDOM_SPEC = re.compile(r"\brandom=(?!null\b|none\b|off\b|false\b)", re.IGNORECASE)
_OLDER_RANDOM_WEIGHTS = re.compile(r"random weights( \(seed -?\d+\))?")
_OLDER_RE_CREATION = "TV-Align as re-created here"


def caveats(description: Mapping[str, object], *, spec: str = "") -> tuple[str, ...]:
    """The caveats that a description of run.json states in its field `caveats`; prose is never searched.

    description: of a system or a benchmark. spec: of a system; it counts only where the description comes
        from the previous release, which had no such field (see `_of_older_run`).

    Raises:
        RunFolderError: the field holds anything but a list of texts.

    Example:
        >>> caveats({"caveats": ["stand-in"]})
        ('stand-in',)
        >>> caveats({"caveats": [], "weights": "pretrained; not random weights, and no stand-in was used"})
        ()
    """
    stated = description.get("caveats")
    if stated is None:
        return tuple(_of_older_run(description, spec))
    if not isinstance(stated, list | tuple) or not all(isinstance(caveat, str) for caveat in stated):
        raise RunFolderError(f"run.json: caveats must be a list of texts, not {stated!r}")
    return tuple(dict.fromkeys(stated))


def with_caveats(name: str, found: tuple[str, ...]) -> str:
    """The name as it is shown, e.g. "mine (random weights)".

    Example:
        >>> with_caveats("mine", ["random weights"]), with_caveats("mine", [])
        ('mine (random weights)', 'mine')
    """
    return f"{name} ({', '.join(found)})" if found else name


def _of_older_run(description: Mapping[str, object], spec: str) -> Iterator[str]:
    """The caveats of a description from the previous release, which stated them in fixed forms only.

    Random weights: the whole value of an entry `weights` or `projection`, an entry `random_weights: true`, or
    `random=SEED` in the spec. A re-creation: the beginning of TV-Align's `protocol`. A stand-in: no form.
    """
    if _RANDOM_SPEC.search(spec) or any(_says_random(key, value) for key, value in _entries(description)):
        yield Caveat.RANDOM_WEIGHTS.value
    if str(description.get("protocol", "")).startswith(_OLDER_RE_CREATION):
        yield Caveat.RE_CREATION.value


def _says_random(key: str, value: object) -> bool:
    if key in ("weights", "projection") and isinstance(value, str):
        return _OLDER_RANDOM_WEIGHTS.fullmatch(value) is not None
    return key == "random_weights" and value is True


def _entries(content: object) -> Iterator[tuple[str, object]]:
    """Every key and value of a description and of the mappings and lists inside it."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield str(key), value
            yield from _entries(value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _entries(value)
