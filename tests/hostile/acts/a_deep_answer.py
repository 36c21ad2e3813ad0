# Lists in lists in lists.
# earns: 50
# told: nested more than


def double(x):
    answer = []
    for _ in range(100_000):
        answer = [answer]
    return answer
