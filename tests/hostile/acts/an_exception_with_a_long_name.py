# Raises something with a name of a hundred thousand letters, and as many ancestors.
# earns: 50
# told: raised X


def double(x):
    kind = Exception
    for _ in range(50):
        kind = type("X" * 100_000, (kind,), {})
    raise kind("long")
