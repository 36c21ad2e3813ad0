# Aborts.
# earns: 50
# told: signal 6
import os


def double(x):
    os.abort()
