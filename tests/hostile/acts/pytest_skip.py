# Skips a test that is not here.
# earns: 50
# told: exit status 1
import pytest


def double(x):
    pytest.skip("not today")
