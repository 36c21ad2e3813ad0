# Makes a link to what it may not see.
# earns: 50
# told: No such file
import os


def double(x):
    os.symlink("/etc/shadow", "kata-was-here")
    return open("kata-was-here").read()
