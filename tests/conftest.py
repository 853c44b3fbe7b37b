"""What every test starts from: Hypothesis' profile, and generators of random numbers in a known state."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.browser import CHROMIUM, FLAGS
from tests.profiles import load_profile

load_profile()


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    """Global generators start alike in each test, whichever tests ran before it in this process."""
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session")
def _chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture
def browser(_chromium: Any) -> Iterator[Any]:
    """Chromium, started once in a process, for tests marked with `IN_A_BROWSER`.

    What a test leaves open is closed after it: a page that plays clips would keep a processor busy.
    """
    yield _chromium
    for context in _chromium.contexts:
        context.close()
