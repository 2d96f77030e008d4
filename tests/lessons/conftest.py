"""For the tests of the lessons: no figure outlives the test that drew it."""

import sys

import pytest


@pytest.fixture(autouse=True)
def closed():
    """Close what was drawn, where anything could draw."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
