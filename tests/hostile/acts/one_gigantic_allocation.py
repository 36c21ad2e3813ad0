# Asks for more memory than there is.
# earns: 50
# told: MemoryError


def double(x):
    return bytearray(2**40)
