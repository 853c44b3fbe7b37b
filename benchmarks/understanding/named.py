"""Every benchmark of the catalogue as an attribute: its name with underscores makes the benchmark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.understanding.catalogue import shipped_names
from benchmarks.understanding.question_answering import QuestionAnswering


def __getattr__(attribute: str) -> Callable[..., QuestionAnswering]:
    name = attribute.replace("_", "-")
    if name not in shipped_names():
        raise AttributeError(f"the catalogue has no benchmark {name!r}")
    return _class_of(name)


def _class_of(name: str) -> type[QuestionAnswering]:
    class Named(QuestionAnswering):
        def __init__(
            self,
            *,
            data: str | None = None,
            subsets: str | Sequence[str] = (),
            frames: int | None = 16,
            sampling: str = "linspace",
            short_side: int | None = 448,
            compat: str | None = None,
            circular: bool = False,
            blind: bool = False,
        ) -> None:
            options: dict[str, Any] = {key: value for key, value in locals().items() if key in _OPTIONS}
            super().__init__(name, **options)

    Named.__name__ = Named.__qualname__ = name
    Named.__doc__ = f"The benchmark {name} of the catalogue; options as `QuestionAnswering`."
    return Named


_OPTIONS = ("data", "subsets", "frames", "sampling", "short_side", "compat", "circular", "blind")
