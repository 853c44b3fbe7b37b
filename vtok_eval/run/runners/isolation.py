"""Calls what is under test so that its failure is a result, not the end of the run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from vtok_eval.errors import MissingDependencyError, RunFolderError
from vtok_eval.run.runners.memory import is_out_of_memory, release_memory

Result = TypeVar("Result")

ENDS_THE_RUN = (MissingDependencyError, RunFolderError)
"""These would fail every other sample too: they are raised, not recorded as one sample's failure."""

log = logging.getLogger(__name__)


def attempt(function: Callable[[], Result], *, what: str) -> Result | Exception:
    """What the function returns, or the exception that it raised, without the traceback.

    A traceback would keep the tensors of its frames alive; where memory ran out, cached blocks are released
    too. what: names the call in the log.

    Raises:
        MissingDependencyError, RunFolderError: these concern the whole run.

    Example:
        >>> attempt(lambda: 1 + 1, what="a sum")
        2
        >>> attempt(lambda: [][0], what="an empty list")
        IndexError('list index out of range')
    """
    try:
        return function()
    except ENDS_THE_RUN:
        raise
    except Exception as error:
        # Any exception of a system under test is a result about that system.
        log.debug("%s failed", what, exc_info=True)
        if is_out_of_memory(error):
            release_memory(error)
        return error.with_traceback(None)
