"""Trains the source model of the lesson on transfer learning, from the digits that the kit ships and nothing else.

`python -m grader.release.checkpoint` writes exercises/data/resnet_digits.pt anew: a state_dict in float16, below 1 MB,
that `torch.load(weights_only=True)` reads. One thread, one seed, half a minute at most; the same torch on the same
machine gives the same weights. The architecture is the lesson's own `digits_resnet`, so the two cannot drift apart.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from grader.kit import Kit, find_root
from grader.solutions.execution import load
from grader.solutions.local import read_source

SECTION = "s09_advanced"
FILE = "resnet_digits.pt"
SEED = 0
CLASSES = 10
EPOCHS = 4
BATCH = 64
PEAK_RATE = 4e-3  # of Adam, reached by a one-cycle schedule
ROTATION = 0.2  # radians, to either side
ZOOM = (0.8, 1.3)
SHIFT = 0.125  # of half the image, to either side


def architecture(kit: Kit) -> nn.Module:
    """The lesson's network with random weights."""
    loaded = load(read_source(kit.reference / f"{SECTION}.py").program(["digits_resnet"]))
    model: nn.Module = loaded.module.digits_resnet(CLASSES)
    return model


def read_digits(kit: Kit, train: bool) -> tuple[Tensor, Tensor]:
    """MNIST's images (N, 1, 28, 28), float in [0, 1], and labels (N,), as the kit ships them."""
    start = kit.data / "MNIST" / "raw" / ("train" if train else "t10k")
    pixels = np.fromfile(f"{start}-images-idx3-ubyte", np.uint8)[16:].reshape(-1, 1, 28, 28)
    labels = np.fromfile(f"{start}-labels-idx1-ubyte", np.uint8)[8:]
    return torch.from_numpy(pixels) / 255, torch.from_numpy(labels).long()


def distort(images: Tensor) -> Tensor:
    """Each image of (N, 1, H, W) turned, zoomed and shifted a little: other writers write otherwise."""
    n = len(images)
    angle = ROTATION * (2 * torch.rand(n) - 1)
    zoom = ZOOM[0] + (ZOOM[1] - ZOOM[0]) * torch.rand(n)
    shift = SHIFT * (2 * torch.rand(n, 2) - 1)
    rows = [
        torch.stack([angle.cos() * zoom, -angle.sin() * zoom, shift[:, 0]], dim=1),
        torch.stack([angle.sin() * zoom, angle.cos() * zoom, shift[:, 1]], dim=1),
    ]
    grid = F.affine_grid(torch.stack(rows, dim=1), [n, 1, *images.shape[2:]], align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def train(model: nn.Module, images: Tensor, labels: Tensor) -> None:
    """Train in place, by cross-entropy; the model is in eval mode afterwards."""
    batches = math.floor(len(images) / BATCH)
    optimizer = torch.optim.Adam(model.parameters(), PEAK_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=EPOCHS * batches)
    model.train()
    for _ in range(EPOCHS):
        order = torch.randperm(len(images))
        for chosen in order[: batches * BATCH].view(batches, BATCH):
            logits = model(distort(images[chosen]).expand(-1, 3, -1, -1))
            loss = F.cross_entropy(logits, labels[chosen])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    model.eval()


def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of images that the model gets right."""
    with torch.no_grad():
        predicted = model(images.expand(-1, 3, -1, -1)).argmax(1)
    return float((predicted == labels).float().mean())


def half(state: dict[str, Any]) -> dict[str, Tensor]:
    """A state_dict with its floating point tensors in float16."""
    return {key: value.half() if value.is_floating_point() else value for key, value in state.items()}


def main() -> None:
    """Train, save, and tell the accuracy on the test digits of what was saved."""
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    kit = Kit(find_root(Path(__file__)))
    model = architecture(kit)
    train(model, *read_digits(kit, train=True))
    path = kit.data / FILE
    torch.save(half(model.state_dict()), path)
    model.load_state_dict(torch.load(path, weights_only=True))
    share = accuracy(model, *read_digits(kit, train=False))
    print(f"wrote {path}: {path.stat().st_size:,} bytes, {share:.3f} of the test digits right")


if __name__ == "__main__":
    main()
