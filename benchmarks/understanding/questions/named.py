"""Every benchmark of the catalogue as an attribute: its name with underscores makes the benchmark."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from benchmarks.understanding.questions.benchmark import QuestionAnswering
from benchmarks.understanding.questions.catalogue import shipped_names


def __getattr__(attribute: str) -> Callable[..., QuestionAnswering]:
    name = attribute.replace("_", "-")
    if name not in shipped_names():
        raise AttributeError(f"the catalogue has no benchmark {name!r}")
    return _class_of(name)


def _class_of(name: str) -> type[QuestionAnswering]:
    class Named(QuestionAnswering):
        def __init__(self, **options: Any) -> None:
            super().__init__(name, **options)

    Named.__name__ = Named.__qualname__ = name
    Named.__doc__ = f"The benchmark {name} of the catalogue; options as `QuestionAnswering`."
    Named.__signature__ = _signature_without_description()  # type: ignore[attr-defined]
    return Named


def _signature_without_description() -> inspect.Signature:
    """The options by name, so that a wrong one is told before anything is made."""
    signature = inspect.signature(QuestionAnswering)
    parameters = [each for name, each in signature.parameters.items() if name != "description"]
    return signature.replace(parameters=parameters)
