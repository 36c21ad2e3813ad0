# Opens files until it cannot.
# earns: 50
# told: Too many open files


def double(x):
    kept = []
    while True:
        kept.append(open("/dev/null"))
