"""What every test starts from: Hypothesis' profile, and generators of random numbers in a known state."""

from __future__ import annotations

import random
import sys

import numpy as np
import pytest

from tests.profiles import load_profile

load_profile()


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    """Global generators start alike in each test, whichever tests ran before it in this process."""
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)
