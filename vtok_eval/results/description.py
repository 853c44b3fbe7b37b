"""What a system, a benchmark, a judge or a backbone says about itself, as run.json keeps it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol, runtime_checkable


class Caveat(StrEnum):
    """What a reader must know wherever a name's numbers are shown; the value is the text that is shown.

    Example:
        >>> str(Caveat.RANDOM_WEIGHTS)
        'random weights'
    """

    RANDOM_WEIGHTS = "random weights"
    STAND_IN = "stand-in"
    RE_CREATION = "re-creation"
    SMOKE_TEST = "smoke test"
    MINIATURE = "miniature"
    JUDGE_NOT_CALIBRATED = "judge not calibrated"


NOT_IDENTITY = ("caveats", "notes", "cost", "not_counted")
"""Keys of a description that say nothing about what is measured; two runs may differ in them."""
_FIELDS = ("caveats", "options", "data", "notes", "cost")


@dataclass(frozen=True, kw_only=True, eq=False)
class Description(Mapping[str, object]):
    """What something that takes part in a run says about itself.

    It is also a mapping: of its JSON form, which run.json keeps (`caveats`, `options`, `data`, the entries of
    `facts`, `notes`, `cost`). `options` and `data` are left out of it where they are empty.

    Args:
        caveats: shown next to its name in every table and plot. Nothing is inferred from other fields.
        notes: sentences that a report prints with its numbers.
        cost: what it will take, in words; printed before a run begins.
        data: hashes and sizes of the data that were used.
        options: the options in effect, defaults included.
        facts: all else that provenance keeps, as JSON can hold it: weights and hashes, protocol, source.

    Raises:
        ValueError: a caveat that is not a `Caveat`, or an entry of `facts` with the name of a field.

    Example:
        >>> mine = Description(caveats=(Caveat.RANDOM_WEIGHTS,), facts={"weights_sha256": "1f0e"})
        >>> mine.caveats
        (<Caveat.RANDOM_WEIGHTS: 'random weights'>,)
        >>> mine["weights_sha256"], dict(mine)["caveats"]
        ('1f0e', ['random weights'])
    """

    caveats: tuple[Caveat, ...] = ()
    notes: tuple[str, ...] = ()
    cost: tuple[str, ...] = ()
    data: Mapping[str, object] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)
    facts: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "caveats", _known_caveats(self.caveats))
        for name in ("notes", "cost"):
            object.__setattr__(self, name, _texts(name, getattr(self, name)))
        for name in ("data", "options"):
            if not isinstance(getattr(self, name), Mapping):
                raise ValueError(f"a description's {name} must be a mapping, not {getattr(self, name)!r}")
        taken = sorted(set(_FIELDS) & self.facts.keys())
        if taken:
            raise ValueError(f"a description's facts must not hold {', '.join(taken)}: give it as the field")

    @classmethod
    def of(cls, content: Mapping[str, object]) -> Description:
        """The description whose JSON form is `content`; a `Description` as it is.

        Raises:
            ValueError: a field has another form than `Description` gives it.

        Example:
            >>> Description.of({"caveats": ["stand-in"], "weights": "none"}).facts
            {'weights': 'none'}
        """
        if isinstance(content, Description):
            return content
        facts = {key: value for key, value in content.items() if key not in _FIELDS}
        given = {key: content[key] for key in _FIELDS if content.get(key) is not None}
        return cls(facts=facts, **given)  # type: ignore[arg-type]  # __post_init__ checks them

    def to_json(self) -> dict[str, object]:
        """The JSON form; equal to `dict(self)`."""
        return {
            "caveats": [str(caveat) for caveat in self.caveats],
            **({"options": dict(self.options)} if self.options else {}),
            **({"data": dict(self.data)} if self.data else {}),
            **self.facts,
            **({"notes": list(self.notes)} if self.notes else {}),
            **({"cost": list(self.cost)} if self.cost else {}),
        }

    def with_facts(self, facts: Mapping[str, object]) -> Description:
        """The same description with more facts; one that it has already is replaced."""
        return replace(self, facts={**self.facts, **facts})

    def __or__(self, other: Description) -> Description:
        """Both together: caveats, notes and cost of either; of an entry that both have, the other's."""
        return Description(
            caveats=joined_caveats(self.caveats, other.caveats),
            notes=tuple(dict.fromkeys((*self.notes, *other.notes))),
            cost=tuple(dict.fromkeys((*self.cost, *other.cost))),
            data={**self.data, **other.data},
            options={**self.options, **other.options},
            facts={**self.facts, **other.facts},
        )

    def identity(self) -> dict[str, object]:
        """The JSON form without what says nothing about what is measured: caveats, notes and cost."""
        return {key: value for key, value in self.to_json().items() if key not in NOT_IDENTITY}

    def __getitem__(self, key: str) -> object:
        return self.to_json()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.to_json())

    def __len__(self) -> int:
        return len(self.to_json())


@runtime_checkable
class Describes(Protocol):
    """Something that can say what it is: its own caveats, options and facts.

    Example:
        >>> class Mine:
        ...     def describe(self) -> Description:
        ...         return Description(options={"grid": 4})
        >>> Mine().describe().options
        {'grid': 4}
    """

    def describe(self) -> Description:
        """What provenance keeps of it."""
        ...


def joined_caveats(*several: Iterable[Caveat]) -> tuple[Caveat, ...]:
    """The caveats of all parts, without duplicates, in the order of `Caveat`.

    Example:
        >>> both = joined_caveats([Caveat.STAND_IN], [Caveat.RANDOM_WEIGHTS, Caveat.STAND_IN])
        >>> list(str(caveat) for caveat in both)
        ['random weights', 'stand-in']
    """
    found = {caveat for caveats in several for caveat in caveats}
    return tuple(caveat for caveat in Caveat if caveat in found)


def _known_caveats(caveats: object) -> tuple[Caveat, ...]:
    listed = _texts("caveats", caveats)
    unknown = [text for text in listed if text not in set(Caveat)]
    if unknown:
        known = ", ".join(Caveat)
        raise ValueError(f"a description has the caveat {unknown[0]!r}; there are: {known}")
    return tuple(Caveat(text) for text in listed)


def _texts(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
        raise ValueError(f"a description's {name} must be a list of texts, not {value!r}")
    return tuple(value)
