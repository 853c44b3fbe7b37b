"""The way into the vbench package: imported late, without what its modules do to the process."""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from vtok_eval.errors import MissingDependencyError

SUPPORTED_VERSION = "0.1.5"
"""The version that this code was read against and whose scores the parity tests compare with."""

INSTALL_HINT = "pip install 'vtok-eval[vbench]' on Python 3.11"


def installed_version() -> str | None:
    """The version of the vbench package, or None where it is not installed. Imports nothing.

    Asks the installed distributions and not the import system, for which any folder called vbench would do.
    """
    try:
        return importlib.metadata.version("vbench")
    except importlib.metadata.PackageNotFoundError:
        return None


def require_package() -> None:
    """Check that the package is there.

    Raises:
        MissingDependencyError: it is not; says how to get it.
    """
    if installed_version() is None:
        raise MissingDependencyError(
            f"VBench needs the package 'vbench', which is not installed: {INSTALL_HINT}"
        )


def cache_root() -> Path:
    """The folder `VBENCH_CACHE_DIR` names, else ~/.cache/vbench, as the reference has it."""
    named = os.environ.get("VBENCH_CACHE_DIR")
    return Path(named) if named else Path.home() / ".cache" / "vbench"


def vbench_module(name: str) -> ModuleType:
    """Import `vbench.<name>`, with our cache folder, and leave logging, warnings and Pillow as they were.

    The package's modules call `logging.basicConfig`, silence every warning and switch Pillow to accept
    truncated files while they are imported; none of that is for a metric to decide.

    Raises:
        MissingDependencyError: the package, or one that this module of it needs, is not installed.
    """
    require_package()
    try:
        with _process_state_kept():
            # The package reads the variable once, when it is first imported, and some modules then go on to
            # fetch what they do not find in that folder.
            vars(importlib.import_module("vbench.utils"))["CACHE_DIR"] = str(cache_root())
            return importlib.import_module(f"vbench.{name}")
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"VBench's {name} needs the package {error.name!r}, which is not installed"
        ) from error


@contextmanager
def _process_state_kept() -> Iterator[None]:
    from PIL import ImageFile

    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    truncated_allowed = ImageFile.LOAD_TRUNCATED_IMAGES
    with warnings.catch_warnings():
        # Of the imports themselves: pkg_resources, old timm names, torch.cuda.amp. None concern the user.
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)
            ImageFile.LOAD_TRUNCATED_IMAGES = truncated_allowed
