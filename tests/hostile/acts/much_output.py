# Prints a hundred megabytes: the beginning is kept.
# earns: 100


def double(x):
    for _ in range(100):
        print("x" * 2**20)
    return x + x
