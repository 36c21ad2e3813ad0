# Prints every byte there is, and terminal escapes.
# earns: 100
import os


def double(x):
    os.write(1, bytes(range(256)) + b"\x1b[2J\x1b]0;kata-was-here\x07\x1b[31m")
    return x + x
