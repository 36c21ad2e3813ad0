# Stops itself, and takes no processor time.
# earns: 50
# told: of waiting
import os
import signal


def double(x):
    os.kill(os.getpid(), signal.SIGSTOP)
