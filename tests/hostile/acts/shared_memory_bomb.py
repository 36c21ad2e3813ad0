# Takes memory that no limit of one process counts.
# earns: 70
# told: MiB of memory
import mmap


def noise(n):
    kept = mmap.mmap(-1, 3 * 2**30)
    for _ in range(3 * 2**10):
        kept.write(b"x" * 2**20)
    return kept
