# Leaves a process behind that belongs to nobody.
# earns: 100
import os
import time


def double(x):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(3600)
        os._exit(0)
    return x + x
