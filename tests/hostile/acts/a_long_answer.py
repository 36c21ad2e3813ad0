# A list of a million numbers.
# earns: 50
# told: too large


def double(x):
    return list(range(3_000_000))
