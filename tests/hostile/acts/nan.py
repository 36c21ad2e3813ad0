# Not a number.
# earns: 50
# told: NaN


def double(x):
    return x * float("nan")
