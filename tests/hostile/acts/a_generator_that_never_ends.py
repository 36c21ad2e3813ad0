# Returns what can be asked for ever.
# earns: 50
# told: generator
import itertools


def double(x):
    return (2 * value for value in itertools.cycle(x))
