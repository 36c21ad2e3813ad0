# Leaves memory behind under a name.
# earns: 50
# told: raised
from multiprocessing.shared_memory import SharedMemory


def double(x):
    SharedMemory("kata-was-here", create=True, size=2**20)
    return x + x
