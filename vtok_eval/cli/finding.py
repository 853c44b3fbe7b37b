"""One thing that `vtok-eval doctor` checked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What a check found."""

    OK = "ok"
    WARNING = "warning"
    MISSING = "missing"


@dataclass(frozen=True)
class Check:
    """One thing that was checked.

    detail: what was found. remedy: what to do about it, empty where nothing need be done.
    required: whether vtok-eval's main job fails without it.
    """

    name: str
    status: State
    detail: str
    remedy: str = ""
    required: bool = True
