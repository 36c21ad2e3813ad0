# Raises something with a text of a hundred megabytes.
# earns: 50
# told: ValueError: xxx


def double(x):
    raise ValueError("x" * 100 * 2**20)
