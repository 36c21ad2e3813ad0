# A list that is its own only item.
# earns: 50
# told: nested more than


def double(x):
    answer = []
    answer.append(answer)
    return answer
