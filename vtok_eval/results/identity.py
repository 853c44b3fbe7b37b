"""What made the numbers of a system or a benchmark, as parts of JSON, and how two of them differ."""

from __future__ import annotations

import hashlib
import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vtok_eval.results.description import NOT_IDENTITY

VERSION_OF = "version_of"
"""Key of an entry of run.json that is an earlier version: the name (or id) that it had."""

SETTINGS = "settings"
"""The part of a benchmark's identity in which two runs must agree to be compared."""

_HASHED = ("sources", "files", "videos", "clips", "code")
"""Parts that map names to hashes; of a difference only the name is worth reading."""

_AT_MOST = 3
"""Differences that a line names."""


@dataclass(frozen=True)
class Difference:
    """One thing that two identities do not share.

    part: of the identity. what: a setting's or a file's name. before, now: as JSON; None where missing.

    Example:
        >>> Difference("settings", "train_clips", before=800, now=2000).text()
        'train_clips 800 before, 2000 now'
    """

    part: str
    what: str
    before: object
    now: object

    def text(self, *, before: str = "before", now: str = "now") -> str:
        """In words, such as "my_file.py changed" or "train_clips 800 before, 2000 now"."""
        if self.part == "state":
            return "its weights changed"
        if self.part == "object":
            return "the object (its code or weights) changed"
        if self.part == "code":
            return f"vtok-eval's own code changed ({self.what})"
        if self.part not in _HASHED:
            return f"{self.what} {_short(self.before)} {before}, {_short(self.now)} {now}"
        if self.before is None:
            return f"{self.what} is new"
        return f"{self.what} {'changed' if self.now is not None else 'is gone'}"


def digest_of_parts(parts: object) -> str:
    """SHA-256 (hex) of parts as JSON; the order of keys does not matter.

    Example:
        >>> digest_of_parts({"a": 1, "b": 2}) == digest_of_parts({"b": 2, "a": 1})
        True
    """
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def identity_of(entry: Mapping[str, object]) -> Mapping[str, object] | None:
    """The identity in an entry of run.json; None where an earlier release wrote it.

    Example:
        >>> identity_of({"name": "vtok", "identity": {"spec": "vtok"}})
        {'spec': 'vtok'}
    """
    found = entry.get("identity")
    return found if isinstance(found, Mapping) else None


def version_digest(entry: Mapping[str, object]) -> str:
    """Names what an entry of run.json was measured with, also one of an earlier release.

    Example:
        >>> before, now = ({"name": "vtok", "identity": {"spec": f"vtok:grid={grid}"}} for grid in (2, 4))
        >>> version_digest(before) == version_digest(now)
        False
    """
    identity = identity_of(entry)
    return digest_of_parts(_legacy(entry) if identity is None else identity)


def version_names(run: Mapping[str, Any], kind: str) -> frozenset[str]:
    """What of run.json is an earlier version: names of "systems", or ids of "benchmarks".

    Example:
        >>> run = {"systems": [{"name": "m"}, {"name": "m@1f", "version_of": "m"}]}
        >>> sorted(version_names(run, "systems"))
        ['m@1f']
    """
    key = "name" if kind == "systems" else "id"
    return frozenset(entry[key] for entry in run.get(kind, ()) if entry.get(VERSION_OF))


def entry_differences(before: Mapping[str, object], now: Mapping[str, object]) -> list[Difference]:
    """How two entries of run.json differ in what they measure; only in parts that both of them state.

    What an earlier release, or another environment, did not record cannot differ.

    Example:
        >>> before, now = ({"name": "vtok", "identity": {"spec": f"vtok:grid={grid}"}} for grid in (2, 4))
        >>> [difference.text() for difference in entry_differences(before, now)]
        ['spec vtok:grid=2 before, vtok:grid=4 now']
    """
    old, new = identity_of(before), identity_of(now)
    if old is not None and new is not None:
        return identity_differences(old, new)
    return list(_differences("entry", "", _legacy(before), _legacy(now), both=True))


def identity_differences(
    before: Mapping[str, object], now: Mapping[str, object], *, parts: Iterable[str] | None = None
) -> list[Difference]:
    """How two identities differ in the parts that both of them have (or only in the named ones).

    Example:
        >>> a, b = {"settings": {"train_clips": 800}}, {"settings": {"train_clips": 2000}}
        >>> [difference.text() for difference in identity_differences(a, b)]
        ['train_clips 800 before, 2000 now']
    """
    shared = [part for part in now if part in before and (parts is None or part in parts)]
    return [
        difference
        for part in shared
        for difference in _differences(part, "", before[part], now[part], both=False)
    ]


def in_words(differences: Iterable[Difference]) -> str:
    """What differs, in one phrase; many differences are counted.

    Example:
        >>> in_words([Difference("sources", name, "1f", "2e") for name in ("a.py", "b.py")])
        'a.py changed, b.py changed'
    """
    found = list(differences)
    if any(difference.part == "sources" for difference in found):
        # Weights that a changed constructor draws or reads follow from it.
        found = [difference for difference in found if difference.part != "state"]
    texts = list(dict.fromkeys(difference.text() for difference in found))
    more = len(texts) - _AT_MOST
    return ", ".join(texts[:_AT_MOST]) + (f" and {more} more" if more > 0 else "")


def _legacy(entry: Mapping[str, object]) -> dict[str, object]:
    """An entry without its identity and without what says nothing about what is measured."""
    left_out = ("identity", "settings_sha256", "control", VERSION_OF)
    kept = {key: value for key, value in entry.items() if key not in left_out}
    description = entry.get("description")
    if isinstance(description, Mapping):
        facts = {key: value for key, value in description.items() if key not in NOT_IDENTITY}
        if str(facts.get("class", "")).partition(":")[0].endswith(".py") or _is_private(facts.get("class")):
            facts.pop("class")  # earlier releases kept a private module's name
        kept["description"] = facts
    return json.loads(json.dumps(kept, default=str))  # type: ignore[no-any-return]


def _is_private(name: object) -> bool:
    return isinstance(name, str) and name.startswith("vtok_eval_user_")


def _differences(part: str, where: str, before: object, now: object, *, both: bool) -> Iterator[Difference]:
    """Where two JSON values differ; both: only under keys that both of them have."""
    if before == now:
        return
    if not (isinstance(before, Mapping) and isinstance(now, Mapping)):
        yield Difference(part, where or part, before, now)
        return
    for key in dict.fromkeys((*before, *now)):
        if both and not (key in before and key in now):
            continue
        name = f"{where}: {key}" if where else str(key)
        # Options are stated in full by every release.
        yield from _differences(part, name, before.get(key), now.get(key), both=both and key != "options")


def _short(value: object) -> str:
    return textwrap.shorten(str(value), width=80, placeholder=" ...")
