# Leaves a thread behind that is busy for ever.
# earns: 100
import threading
import time


def spin():
    while True:
        time.sleep(0.001)


def double(x):
    threading.Thread(target=spin, daemon=True).start()
    return x + x
