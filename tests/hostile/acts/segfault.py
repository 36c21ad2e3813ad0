# Reads the address 0.
# earns: 50
# told: signal 11
import ctypes


def double(x):
    ctypes.string_at(0)
