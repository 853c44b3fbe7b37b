"""What each dimension of VBench needs, where it is looked for, whether it is there; fetches it when asked."""

from __future__ import annotations

import importlib.util
import shutil
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from benchmarks.vbench.dimensions import DIMENSIONS, Dimension, select
from benchmarks.vbench.networks.weights import find, places, why_not
from benchmarks.vbench.weight_files import WeightFile
from vtok_eval.errors import VtokEvalError
from vtok_eval.files.hashing import sha256_file

_BLOCK = 1 << 20


class FetchError(VtokEvalError):
    """A file that could not be fetched: no address, connection or space, or another hash than published."""


@dataclass(frozen=True)
class FileState:
    """One weight file: where it is looked for, and what was found there.

    size in bytes, sha256 in hex; both None where nothing was found (sha256 also where it was not asked for).
    intact: whether the hash is the published one; None where none is published or none was computed.
    """

    file: WeightFile
    places: tuple[Path, ...]
    found: Path | None
    size: int | None
    sha256: str | None
    intact: bool | None


@dataclass(frozen=True)
class DimensionState:
    """One dimension: the state of its files, and why it cannot be run (None where it can)."""

    dimension: Dimension
    files: tuple[FileState, ...]
    not_run: str | None


def inspect(dimensions: Iterable[Dimension] = DIMENSIONS, *, hashes: bool = False) -> list[DimensionState]:
    """The state of every dimension asked for; `hashes` reads every file that is there."""
    return [
        DimensionState(
            dimension=entry,
            files=tuple(_state(file, hashes=hashes) for file in entry.weights),
            not_run=why_not(entry),
        )
        for entry in dimensions
    ]


def lines(states: Iterable[DimensionState]) -> list[str]:
    """The states as text, one line for each dimension and one for each of its files."""
    said = []
    for state in states:
        said.append(f"{state.dimension.name}: {'ready' if state.not_run is None else state.not_run}")
        said += [f"  {_file_line(file)}" for file in state.files]
    return said


def fetch(file: WeightFile) -> Path:
    """Download a file into the cache folder, or copy it from the package that ships it.

    The download goes to a file of another name and is checked before it takes its place; where something goes
    wrong, nothing of it stays.

    Raises:
        FetchError: see there; the message says what to do by hand.
    """
    target = places(file)[0]
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.package_file:
            shutil.copyfile(_shipped(file), part)
        elif file.url:
            _download(file, part)
        else:
            raise FetchError(f"{target}: cannot be fetched; by hand: {file.by_hand}")
        _check(file, part)
        part.replace(target)
    except OSError as error:
        source = file.url or f"the package {file.package_file.partition(':')[0]}"
        raise FetchError(f"{target}: cannot be fetched ({error}); by hand from {source}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return target


def report(
    dimensions: str | Sequence[str] = "all",
    *,
    fetch_missing: bool = False,
    hashes: bool = False,
    say: Callable[[str], None],
) -> int:
    """Say what the dimensions need and whether it is there, line by line.

    fetch_missing: download what is missing and can be, first. hashes: read every file for its SHA-256.

    Returns:
        0 where everything asked for is ready, else 1.

    Raises:
        UnknownNameError: a dimension does not exist.
    """
    chosen = select(dimensions)
    if fetch_missing:
        missing = dict.fromkeys(file for entry in chosen for file in entry.weights if find(file) is None)
        for file in missing:
            try:
                say(f"fetched {fetch(file)}")
            except FetchError as error:
                say(str(error))
    states = inspect(chosen, hashes=hashes)
    for line in lines(states):
        say(line)
    return int(any(state.not_run for state in states))


def _state(file: WeightFile, *, hashes: bool) -> FileState:
    found = find(file)
    sha256 = sha256_file(found) if hashes and found else None
    return FileState(
        file=file,
        places=places(file),
        found=found,
        size=found.stat().st_size if found else None,
        sha256=sha256,
        intact=None if sha256 is None or file.sha256 is None else sha256 == file.sha256,
    )


def _file_line(state: FileState) -> str:
    if state.found is None:
        source = state.file.url or state.file.package_file or state.file.by_hand
        return f"missing: looked for {', '.join(map(str, state.places))}; from {source}"
    said = f"present: {state.found}, {state.size} bytes"
    if state.sha256:
        said += f", SHA-256 {state.sha256}"
    if state.intact is False:
        said += f": NOT the published file ({state.file.sha256})"
    return said


def _shipped(file: WeightFile) -> Path:
    package, _, name = file.package_file.partition(":")
    spec = importlib.util.find_spec(package)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(place) / name).is_file():
            return Path(place) / name
    raise FetchError(f"{file.path}: the package {package!r}, which ships it, is not installed")


def _download(file: WeightFile, part: Path) -> None:
    if not file.url:
        raise ValueError(f"{file.path} has no address")
    archive = part.with_name(part.name + ".zip") if file.member else part
    try:
        with urllib.request.urlopen(file.url) as source, archive.open("wb") as target:
            length = source.headers.get("Content-Length")
            _need_space(part, int(length) if length else 0)
            _copy(source, target, total=int(length) if length else None, name=file.path)
        if file.member:
            with zipfile.ZipFile(archive) as members, members.open(file.member) as source:
                part.write_bytes(source.read())
    except (urllib.error.URLError, zipfile.BadZipFile, KeyError, EOFError) as error:
        raise FetchError(f"{part.with_suffix('')}: cannot be fetched from {file.url} ({error})") from error
    finally:
        if file.member:
            archive.unlink(missing_ok=True)


def _need_space(part: Path, size: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if free < size:
        raise FetchError(f"{part.parent}: {size} bytes are needed and {free} are free")


def _copy(source: BinaryIO, target: BinaryIO, *, total: int | None, name: str) -> None:
    from tqdm import tqdm

    copied = 0
    with tqdm(total=total, desc=name, unit="B", unit_scale=True, leave=False) as progress:
        while block := source.read(_BLOCK):
            target.write(block)
            copied += len(block)
            progress.update(len(block))
    if total is not None and copied != total:
        raise EOFError(f"{copied} of {total} bytes came")


def _check(file: WeightFile, part: Path) -> None:
    if file.sha256 is None:
        return
    found = sha256_file(part)
    if found != file.sha256:
        raise FetchError(f"{file.path}: what came has the hash {found}, published is {file.sha256}; not kept")
