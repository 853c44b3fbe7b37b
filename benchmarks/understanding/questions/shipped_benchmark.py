"""Makes the benchmark of a shipped description; the registry lists the YAML files and calls this."""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import Any

from benchmarks.understanding.questions.benchmark import QuestionAnswering


@lru_cache(maxsize=64)
def shipped_benchmark(name: str) -> type[QuestionAnswering]:
    """The class of the benchmark whose description is shipped as `catalogue/NAME.yaml`.

    Its options are those of `QuestionAnswering` without `description`.

    Example:
        >>> shipped_benchmark("mvbench")(frames=8).name
        'mvbench'
    """

    class Shipped(QuestionAnswering):
        def __init__(self, **options: Any) -> None:  # Any: checked against the signature below
            super().__init__(name, **options)

    Shipped.__name__ = Shipped.__qualname__ = name
    Shipped.__doc__ = f"The benchmark {name} of the catalogue; options as `QuestionAnswering`."
    Shipped.__signature__ = _signature_without_description()  # type: ignore[attr-defined]
    return Shipped


def _signature_without_description() -> inspect.Signature:
    """The options by name, so that a wrong one is refused before anything is made."""
    signature = inspect.signature(QuestionAnswering)
    parameters = [each for name, each in signature.parameters.items() if name != "description"]
    return signature.replace(parameters=parameters)
