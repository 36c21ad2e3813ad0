# Takes memory as a file that is nowhere.
# earns: 50
# told: memfd_create
import os


def double(x):
    os.memfd_create("hidden")
    return x + x
