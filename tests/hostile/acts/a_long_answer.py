# A list of a million numbers.
# earns: 50
# told: too large|processor time


def double(x):
    return list(range(3_000_000))
