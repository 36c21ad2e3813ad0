# Talks to a service of this machine that has no file.
# earns: 50
# told: not permitted
import socket


def double(x):
    socket.socket(socket.AF_UNIX).connect("\0kata-was-here")
    return x + x
