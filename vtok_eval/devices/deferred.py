"""Results that are on their way: what a device computes while the host goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

    from vtok_eval.devices.transfer import Download

Result_co = TypeVar("Result_co", covariant=True)
Other = TypeVar("Other")


class Deferred(Generic[Result_co]):
    """A result that `get` waits for. Nothing is waited for, or checked, before that.

    ready: whether `get` would not wait.

    Example:
        >>> numbers = Deferred(lambda: [1, 2])
        >>> numbers.then(sum).get()
        3
    """

    def __init__(self, finish: Callable[[], Result_co], *, ready: Callable[[], bool] = lambda: True) -> None:
        self._finish = finish
        self._ready = ready

    @property
    def ready(self) -> bool:
        """Whether it has arrived."""
        return self._ready()

    def get(self) -> Result_co:
        """The result; what went wrong on the way is raised here."""
        return self._finish()

    def once(self) -> Deferred[Result_co]:
        """The same; what `get` first gives is kept for every later call. What it raises is not kept."""
        kept: list[Result_co] = []

        def finish() -> Result_co:
            if not kept:
                kept.append(self._finish())
            return kept[0]

        return Deferred(finish, ready=lambda: bool(kept) or self._ready())

    def then(self, change: Callable[[Result_co], Other]) -> Deferred[Other]:
        """`change` of the result, which is called by `get`."""
        return Deferred(lambda: change(self._finish()), ready=self._ready)


def together(several: Sequence[Deferred[Other]]) -> Deferred[list[Other]]:
    """Several results as one.

    Example:
        >>> together([Deferred(lambda: 1), Deferred(lambda: 2)]).get()
        [1, 2]
    """
    return Deferred(
        lambda: [each.get() for each in several],
        ready=lambda: all(each.ready for each in several),
    )


def arriving(downloads: Sequence[Download]) -> Deferred[list[Tensor]]:
    """The tensors of several downloads, on the CPU."""
    return Deferred(
        lambda: [download.wait() for download in downloads],
        ready=lambda: all(download.done for download in downloads),
    )
