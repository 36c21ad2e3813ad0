# Looks for a secret that the instructor has in their environment.
# earns: 50
# told: KeyError
import os


def double(x):
    return os.environ["INSTRUCTORS_SECRET"]
