"""What peft needs of transformers beyond their interfaces."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def with_old_names() -> Iterator[None]:
    """Within, peft may ask transformers for an attribute by its earlier name without a warning to users.

    Example:
        >>> with with_old_names():
        ...     warnings.warn("`is_gradient_checkpointing` is deprecated", FutureWarning)
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
        yield
