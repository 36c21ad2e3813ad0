# Refuses whatever its process does next.
# earns: 50-60
# told: exit status 1
import sys


def double(x):
    def refuse(event, arguments):
        raise RuntimeError("refused")

    sys.addaudithook(refuse)
    return x + x
