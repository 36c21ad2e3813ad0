# Skips a test that is not here.
# earns: 50
# told: raised Skipped
import pytest


def double(x):
    pytest.skip("not today")
