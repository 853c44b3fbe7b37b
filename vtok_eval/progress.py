"""Progress of one piece of work: on the display of a run where one is shown, else as a bar of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class StepCounter(Protocol):
    """Counts the steps of a piece of work; a bar of tqdm is one."""

    def update(self, n: int = 1) -> object:
        """So many more steps are done."""
        ...

    def set_postfix_str(self, s: str = "", refresh: bool = True) -> object:
        """A few words on how it goes."""
        ...


class ShowsSteps(Protocol):
    """A display on which pieces of work can be shown."""

    def steps(self, description: str, *, total: int, unit: str) -> AbstractContextManager[StepCounter]:
        """Show a piece of work as long as the context is open."""
        ...


_displays: list[ShowsSteps] = []
"""Those that are open in this process, the innermost last."""


@contextmanager
def steps(description: str, *, total: int, unit: str) -> Iterator[StepCounter]:
    """A counter of `total` steps, shown while the context is open.

    Example:
        >>> with steps("training", total=2, unit="step") as counter:
        ...     for _ in range(2):
        ...         _ = counter.update()
    """
    if _displays:
        with _displays[-1].steps(description, total=total, unit=unit) as counter:
            yield counter
        return
    from tqdm import tqdm

    with tqdm(total=total, desc=description, unit=unit, leave=False) as bar:
        yield bar


@contextmanager
def shown_on(display: ShowsSteps) -> Iterator[None]:
    """While it lasts, `steps` are shown on this display."""
    _displays.append(display)
    try:
        yield
    finally:
        _displays.remove(display)
