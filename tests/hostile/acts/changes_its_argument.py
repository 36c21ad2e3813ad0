# Doubles in place, so that the caller's tensor is doubled too.
# earns: 50
# told: changes the caller's x


def double(x):
    x *= 2
    return x
