"""The folder of one training: it belongs to that training alone."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from vtok_eval.errors import SpecError
from vtok_eval.files.atomic import write_bytes

_JOB = "job.json"


@contextmanager
def job_folder(folder: Path | None, facts: Mapping[str, object]) -> Iterator[Path]:
    """The folder of a training's checkpoints, made for this training or left by it; else a temporary one.

    facts: what the training depends on, as JSON can hold it.

    Raises:
        SpecError: it is another training's.

    Example:
        >>> with job_folder(Path("job"), {"seed": 0}) as place:
        ...     place.is_dir()
        True
        >>> with job_folder(Path("job"), {"seed": 1}):
        ...     pass
        Traceback (most recent call last):
        vtok_eval.errors.SpecError: job holds the beginning of another training (seed differs); ...
    """
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="vtok-eval-reader-") as name:
            yield Path(name)
        return
    folder.mkdir(parents=True, exist_ok=True)
    written, path = json.dumps(facts, sort_keys=True).encode(), folder / _JOB
    if path.is_file() and path.read_bytes() != written:
        differing = _first_difference(json.loads(path.read_bytes()), facts)
        raise SpecError(
            f"{folder} holds the beginning of another training ({differing} differs); remove it, or name "
            "another folder"
        )
    if not path.is_file():
        write_bytes(path, written)
    yield folder


def _first_difference(before: Mapping[str, object], now: Mapping[str, object]) -> str:
    plain = json.loads(json.dumps(now))
    return next((name for name in sorted(before | plain) if before.get(name) != plain.get(name)), "its form")
