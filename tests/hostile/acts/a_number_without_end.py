# A number with a million digits.
# earns: 50
# told: int


def double(x):
    return 10**1_000_000
