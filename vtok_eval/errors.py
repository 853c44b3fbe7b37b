"""The errors a user can cause: each is one clear line, printed without a traceback by the command line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error line: the known name most similar to `name`, or all known names.

    Example:
        >>> nearest("grd", ["grid", "stride"])
        "did you mean 'grid'?"
        >>> nearest("zzzz", ["grid", "stride"])
        'there are: grid, stride'
    """
    choices = sorted(known)
    near = difflib.get_close_matches(name, choices, n=1, cutoff=0.4)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(choices) or 'none'}"


def one_line(error: BaseException) -> str:
    """An error as one line: its message, preceded by its type unless the message is our own.

    Example:
        >>> one_line(ZeroDivisionError("no\\nluck")), one_line(SpecError("a worded reason"))
        ('ZeroDivisionError: no luck', 'a worded reason')
    """
    message = " ".join(str(error).split())
    if isinstance(error, VtokEvalError):
        return message
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


class VtokEvalError(Exception):
    """Base of every error that a user can cause and fix.

    Example:
        >>> try:
        ...     raise SuiteError("mini.yaml, line 3: unknown key 'sytems'")
        ... except VtokEvalError as error:
        ...     print(error)
        mini.yaml, line 3: unknown key 'sytems'
    """


class UnknownNameError(VtokEvalError):
    """A tokenizer, benchmark, suite, option or key that does not exist.

    Example:
        >>> raise UnknownNameError(what="suite", name="mimi", known=["full", "mini"])
        Traceback (most recent call last):
        vtok_eval.errors.UnknownNameError: unknown suite 'mimi'; did you mean 'mini'?
    """

    def __init__(self, *, what: str, name: str, known: Iterable[str]) -> None:
        """Say that there is no `what` called `name`, and which known name comes nearest."""
        super().__init__(f"unknown {what} {name!r}; {nearest(name, known)}")


class AmbiguousNameError(VtokEvalError):
    """A name that two installed packages claim for different things."""


class SpecError(VtokEvalError):
    """A tokenizer or system spec string that cannot be read, or an option with a bad value."""


class SuiteError(VtokEvalError):
    """A suite file that breaks the schema; names the file and the key."""


class VideoError(VtokEvalError):
    """A video that cannot be decoded, is empty, or goes beyond a limit; names the file."""


class TokenizerError(VtokEvalError):
    """A tokenizer whose tokens break the protocol: a wrong shape, mask or dtype, NaN or infinity."""


class GenerationError(VtokEvalError):
    """A video that a generator or a tokenizer's decoder failed to make; says which, and why."""


class RunFolderError(VtokEvalError):
    """A run folder that cannot be written, belongs to another run, or has another schema version."""


class LaneError(VtokEvalError):
    """Worker processes (lanes) that cannot be started, or a failure in one that ends the whole run."""


class MissingDependencyError(VtokEvalError):
    """A package, weight file or data set that is needed but missing; says how to get it."""


class UnfitInputError(VtokEvalError):
    """A tokenizer that takes none of a benchmark's clips; says why, and which contract it seems to need."""


class SubmissionError(VtokEvalError):
    """A submission that cannot be packed or is refused; names the file, the place in it and what is wrong."""


class DescriptionError(VtokEvalError):
    """A benchmark's YAML file that breaks the schema; names the file, the key and the line."""


class DataError(VtokEvalError):
    """A data set's file that cannot be read or does not hold what its description says; names the place."""


CANNOT_RUN = (MissingDependencyError, UnfitInputError)
"""Reasons why a job is "not run": it has no result, not even a failed one."""
