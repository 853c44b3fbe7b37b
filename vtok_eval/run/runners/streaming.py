"""Works on items side by side on threads and gives each result as it comes: for what waits for a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def stream(
    items: Iterator[Item], work: Callable[[Item], Result], *, concurrency: int
) -> Iterator[tuple[Item, Result]]:
    """Yield each item with its result, as results come; `concurrency` of them are worked on at any time.

    items: drawn as there is room for them, so that what makes them (decoding, say) is bounded too.
    What `work` raises is raised here; items that have not begun are then given up.

    Example:
        >>> sorted(stream(iter(range(4)), lambda item: item * item, concurrency=2))
        [(0, 0), (1, 1), (2, 4), (3, 9)]
    """
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="stream")
    under_way: dict[Future[Result], Item] = {}
    try:
        for item in items:
            under_way[pool.submit(work, item)] = item
            # With a free place, what is done already is given without waiting for more.
            yield from _done(under_way, patiently=len(under_way) >= concurrency)
        while under_way:
            yield from _done(under_way, patiently=True)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _done(under_way: dict[Future[Result], Item], *, patiently: bool) -> Iterator[tuple[Item, Result]]:
    done, _ = wait(under_way, timeout=None if patiently else 0, return_when=FIRST_COMPLETED)
    for future in done:
        yield under_way.pop(future), future.result()
