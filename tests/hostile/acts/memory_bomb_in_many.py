# Takes memory in many processes, a little in each.
# earns: 70
# told: MiB of memory
import os
import time


def noise(n):
    for _ in range(16):
        if os.fork() == 0:
            kept = b"x" * (200 * 2**20)
            time.sleep(60 + len(kept))
    time.sleep(60)
