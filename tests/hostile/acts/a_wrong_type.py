# Right numbers in a list.
# earns: 50
# told: tensor


def double(x):
    return (2 * x).tolist()
