# Sleeps for a day.
# earns: 50
# told: of waiting
import time


def double(x):
    time.sleep(86400)
