"""Published weight files: where they are looked for, how large they are, and what fetches them."""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vtok_eval.errors import MissingDependencyError, SpecError

_CHUNK_BYTES = 2**24
_OTHER_FORMATS = ["*.gguf", "*.h5", "*.msgpack", "*.onnx", "*.ot", "original/*"]
"""Of the same weights: not fetched."""


@dataclass(frozen=True)
class Weights:
    """The weights of one model.

    spec: what `vtok-eval fetch` takes, such as "open_clip:ViT-B-32/openai". file: its name and where it is
    published. size: in words, such as "about 1.7 GB". find: looks for the file on the disk; None where it is
    missing. fetch: downloads it. command: what gets it, where that is not `vtok-eval fetch`.

    Example:
        >>> from pathlib import Path
        >>> absent = Weights("a:b", "b.safetensors of a", "about 1.7 GB", lambda: None, lambda: Path("b"))
        >>> print(absent.missing())
        a:b: b.safetensors of a (about 1.7 GB) is not on this machine; get it with: vtok-eval fetch a:b
    """

    spec: str
    file: str
    size: str
    find: Callable[[], Path | None]
    fetch: Callable[[], Path]
    command: str = ""

    @property
    def get(self) -> str:
        """The command that fetches them."""
        return self.command or f"vtok-eval fetch {shlex.quote(self.spec)}"

    def missing(self) -> str:
        """One line for where they are missing: file, size and command."""
        return f"{self.spec}: {self.file} ({self.size}) is not on this machine; get it with: {self.get}"

    def require(self) -> Path:
        """Where they are on this machine.

        Raises:
            MissingDependencyError: they are not; see `missing`.
        """
        found = self.find()
        if found is None:
            raise MissingDependencyError(self.missing())
        return found


@dataclass(frozen=True)
class WeightsOf:
    """What a registered name needs.

    kind: "backbone", "judge", "answerer" or "sentence encoder". note: for names that need no weights, or any
    that the user names, what to say of them.

    Example:
        >>> WeightsOf("judge", "oracle", note="no weights: it measures pixels").weights
        ()
    """

    kind: str
    name: str
    weights: Sequence[Weights] = ()
    note: str = ""


def safetensors_sha256(folder: Path) -> str:
    """SHA-256 over the names and bytes of the folder's safetensors files.

    Raises:
        SpecError: there are none. Weights in other formats could run code and are not loaded.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise SpecError(f"{folder} holds no weights as safetensors")
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode())
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()


def in_hub_cache(repository: str, files: Sequence[str]) -> Path | None:
    """The first of a Hugging Face repository's files that the local cache holds, or None."""
    from huggingface_hub import try_to_load_from_cache

    for file in files:
        found = try_to_load_from_cache(repository, file)
        if isinstance(found, str) and Path(found).is_file():
            return Path(found)
    return None


def hub_weights(repository: str, *, spec: str, revision: str | None = None) -> Weights:
    """A whole model of a Hugging Face repository.

    repository: OWNER/NAME. spec: what `vtok-eval fetch` takes. Its size is known to the hub only.
    """
    from huggingface_hub import snapshot_download

    def fetch() -> Path:
        return Path(snapshot_download(repository, revision=revision, ignore_patterns=_OTHER_FORMATS))

    return Weights(
        spec=spec,
        file=f"the model of huggingface.co/{repository}",
        size="size: see there",
        find=lambda: _snapshot(repository, revision),
        fetch=fetch,
    )


def _snapshot(repository: str, revision: str | None) -> Path | None:
    """The folder of a repository's files in the local cache, if its weights are complete there."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(repository, revision=revision, local_files_only=True))
    except HFValidationError as error:
        raise SpecError(f"{repository!r} is not a model's name on the Hugging Face hub: {error}") from error
    except LocalEntryNotFoundError:
        return None
    return folder if _is_complete(folder) else None


def _is_complete(folder: Path) -> bool:
    for index in folder.glob("*.index.json"):
        shards = set(json.loads(index.read_text(encoding="utf-8")).get("weight_map", {}).values())
        return all((folder / shard).is_file() for shard in shards)
    return any(path.suffix in {".safetensors", ".bin"} for path in folder.iterdir())


def in_bytes(count: float) -> str:
    """A size in words.

    Example:
        >>> in_bytes(1_711_776_772), in_bytes(90_900_000)
        ('1.7 GB', '91 MB')
    """
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


@contextmanager
def hubs_offline() -> Iterator[None]:
    """Within, Hugging Face's library takes files from its cache and refuses to connect.

    By default it asks the hub whether a cached file is the newest, and tries for a minute without a network.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    _set_offline(True)
    try:
        yield
    finally:
        _set_offline(before)


def _set_offline(value: bool) -> None:
    import huggingface_hub
    from huggingface_hub import constants

    constants.HF_HUB_OFFLINE = value
    # Until version 1 a session remembers which of the two it was opened for.
    reset = getattr(sys.modules.get("huggingface_hub.utils", huggingface_hub), "reset_sessions", None)
    if reset is not None:
        reset()
