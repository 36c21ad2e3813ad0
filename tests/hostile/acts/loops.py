# Never ends.
# earns: 50
# told: processor time


def double(x):
    while True:
        pass
