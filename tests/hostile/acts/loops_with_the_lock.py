# Never ends, in C, so that no other thread of the process gets a turn.
# earns: 50
# told: processor time
import re


def double(x):
    return re.match("(a+)+$", "a" * 60 + "b")
