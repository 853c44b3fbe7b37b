"""Where the user's cache folder is: `$VTOK_EVAL_CACHE`, else ~/.cache/vtok-eval."""

from __future__ import annotations

import os
from pathlib import Path

from vtok_eval.errors import RunFolderError

VARIABLE = "VTOK_EVAL_CACHE"


def cache_path() -> Path:
    """The cache folder's path, whether or not it exists; an empty variable counts as not set."""
    named = os.environ.get(VARIABLE)
    return Path(named or "~/.cache/vtok-eval").expanduser().absolute()


def cache_folder() -> Path:
    """The cache folder, made if it is not there.

    Raises:
        RunFolderError: it cannot be made.
    """
    path = cache_path()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(
            f"cannot make the cache folder {path}: {error.strerror}; "
            f"set {VARIABLE} to a folder you can write to"
        ) from error
    return path
