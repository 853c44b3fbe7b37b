"""The benchmarks that ship described as data: one YAML file each, found by name."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from benchmarks.understanding.questions.description import BenchmarkDescription, read_description
from vtok_eval.errors import UnknownNameError
from vtok_eval.files.cache_folder import cache_path

_FOLDER = Path(__file__).parent


def shipped_names() -> tuple[str, ...]:
    """Names of the benchmarks in this folder, sorted.

    Example:
        >>> "mvbench" in shipped_names()
        True
    """
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def shipped_file(name: str) -> Path:
    """The YAML file of a benchmark in this folder."""
    return _FOLDER / f"{name}.yaml"


def find_description(name_or_path: str) -> BenchmarkDescription:
    """The description with this name (shipped, or in the cache folder's `benchmarks`), or in this YAML file.

    Raises:
        UnknownNameError: neither a name nor a file.
        DescriptionError: the file breaks the schema.
    """
    if name_or_path.endswith((".yaml", ".yml")):
        return read_description(Path(name_or_path).expanduser())
    if name_or_path in shipped_names():
        return _shipped(name_or_path)
    own = cache_path() / "benchmarks"
    if (own / f"{name_or_path}.yaml").is_file():
        return read_description(own / f"{name_or_path}.yaml")
    known = {*shipped_names(), *(path.stem for path in own.glob("*.yaml"))}
    raise UnknownNameError(what="question-answering benchmark", name=name_or_path, known=known)


@lru_cache(maxsize=64)
def _shipped(name: str) -> BenchmarkDescription:
    return read_description(shipped_file(name))
