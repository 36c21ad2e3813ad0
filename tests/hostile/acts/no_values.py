# No number at all: nothing is wrong with any of them.
# earns: 50
# told: shape
import torch


def double(x):
    return torch.empty(0)
