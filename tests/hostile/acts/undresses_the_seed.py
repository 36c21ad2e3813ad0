# Draws noise that knows its seed; whoever has the seed has what everybody gets.
# earns: 100
import torch


def noise(n):
    torch.manual_seed(torch.initial_seed())
    return torch.randn(n)
