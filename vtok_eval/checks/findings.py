"""What a check of a tokenizer found: one finding for each promise of the protocol, and what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum


class CheckStatus(StrEnum):
    """Whether a promise of the protocol is kept.

    Example:
        >>> [status.value for status in CheckStatus]
        ['ok', 'note', 'broken']
    """

    OK = "ok"
    NOTE = "note"
    """Kept, with something to know."""
    BROKEN = "broken"


@dataclass(frozen=True)
class Finding:
    """One promise of the protocol.

    Attributes:
        name: the promise, in a few words.
        detail: what was seen.
        fix: the line to write where the promise is broken; empty elsewhere.

    Example:
        >>> Finding("encodes a clip", CheckStatus.OK, detail="16 x 8 values of float32 on cpu").status.value
        'ok'
    """

    name: str
    status: CheckStatus
    detail: str = ""
    fix: str = ""


@dataclass(frozen=True, repr=False)
class CheckReport:
    """All findings about one tokenizer, and what was measured, with units in the names.

    Example:
        >>> broken = Finding("keeps no state", CheckStatus.BROKEN, fix="self.cache.clear()")
        >>> CheckReport("my_file.py:Mine", (broken,)).ok
        False
    """

    spec: str
    findings: tuple[Finding, ...]
    measured: Mapping[str, float | str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every promise is kept."""
        return all(finding.status is not CheckStatus.BROKEN for finding in self.findings)

    def as_json(self) -> dict[str, object]:
        """The report as JSON can hold it."""
        return {
            "spec": self.spec,
            "ok": self.ok,
            "findings": [asdict(finding) for finding in self.findings],
            "measured": dict(self.measured),
        }

    def as_text(self) -> str:
        """The report for a terminal."""
        return "\n".join(self._lines())

    def __repr__(self) -> str:
        """The report as text, so that a notebook shows it."""
        return self.as_text()

    def _lines(self) -> Iterator[str]:
        for finding in self.findings:
            yield f"{finding.status.value:<7} {finding.name}" + (
                f": {finding.detail}" if finding.detail else ""
            )
            if finding.fix:
                yield f"        write: {finding.fix}"
        if self.measured:
            yield ""
            width = max(len(name) for name in self.measured)
            for name, value in self.measured.items():
                yield f"{name:<{width}}  {_number_text(value)}"
        yield ""
        n_broken = sum(finding.status is CheckStatus.BROKEN for finding in self.findings)
        points = "1 point" if n_broken == 1 else f"{n_broken} points"
        yield f"{self.spec}: the protocol is {'kept' if self.ok else f'broken in {points}'}"


def _number_text(value: float | str) -> str:
    if isinstance(value, str):
        return value
    if value.is_integer():
        return f"{value:,.0f}"
    return f"{value:,.1f}" if value >= 1000 else f"{value:.3g}"
