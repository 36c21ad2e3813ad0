# Does not parse.
# earns: 50
# told: expected ':'


def double(x)
    return x + x
