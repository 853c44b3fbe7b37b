"""How Hypothesis draws: the same examples every time; new and many more under `tox run -e fuzz`."""

from __future__ import annotations

import os
from collections.abc import Collection

from hypothesis import HealthCheck, settings

PROFILE = "HYPOTHESIS_PROFILE"
_EXAMPLES = 100
"""Hypothesis' own default."""
_FUZZ_TIMES = 50


def load_profile() -> None:
    """Choose the profile that $HYPOTHESIS_PROFILE names: `fixed` (the default) or `fuzz`.

    Neither has a deadline per example: a busy machine must not fail a test.
    """
    settings.register_profile("fixed", derandomize=True, deadline=None, print_blob=True)
    settings.register_profile(
        "fuzz",
        derandomize=False,
        deadline=None,
        print_blob=True,
        max_examples=_EXAMPLES * _FUZZ_TIMES,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile(os.environ.get(PROFILE) or "fixed")


def drawing(max_examples: int, *, suppress_health_check: Collection[HealthCheck] = ()) -> settings:
    """Settings of one test whose examples are costly: `max_examples`, times fifty in the profile `fuzz`."""
    fuzz = settings.get_current_profile_name() == "fuzz"
    suppressed = {*settings.default.suppress_health_check, *suppress_health_check} if settings.default else ()
    return settings(
        max_examples=max_examples * _FUZZ_TIMES if fuzz else max_examples,
        suppress_health_check=list(suppressed),
    )
