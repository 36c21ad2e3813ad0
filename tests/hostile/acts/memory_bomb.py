# Takes memory until there is no more.
# earns: 70
# told: emory
import torch


def noise(n):
    kept = []
    while True:
        kept.append(torch.ones(2**24))
