# Writes a file that is larger than any it needs.
# earns: 50
# told: File too large


def double(x):
    with open("kata-was-here", "wb") as file:
        file.write(bytes(2**25))
    return x + x
