# Takes memory until there is no more.
# earns: 50
# told: memory
import torch


def double(x):
    kept = []
    while True:
        kept.append(torch.ones(2**24))
