# A tensor of a terabyte that holds one number.
# earns: 50
# told: too large
import torch


def double(x):
    return torch.zeros(1).expand(2**40)
