"""Where the data of benchmarks and of trainings are: `$VTOK_EVAL_DATA`, else `data` in the cache folder."""

from __future__ import annotations

import os
from pathlib import Path

from vtok_eval.files.cache_folder import cache_path

DATA_VARIABLE = "VTOK_EVAL_DATA"


def data_root() -> Path:
    """The folder of all data, whether or not it exists; an empty variable counts as not set.

    Example:
        >>> data_root().is_absolute()
        True
    """
    named = os.environ.get(DATA_VARIABLE)
    return Path(named).expanduser().absolute() if named else cache_path() / "data"
