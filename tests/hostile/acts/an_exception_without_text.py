# Raises something whose text raises again.
# earns: 50
# told: text cannot be read


class Angry(Exception):
    def __str__(self):
        raise RuntimeError


def double(x):
    raise Angry
