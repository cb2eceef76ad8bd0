"""The training of `funcnn train` in PyTorch."""

from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from benchmarks.steps._torch import digit_features
from benchmarks.train_time import _schedule as s


def tensors(batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Images with channels first, and labels."""
    images, labels = map(torch.from_numpy, batch)
    return images.permute(0, 3, 1, 2), labels.long()


torch.manual_seed(0)
model = nn.Sequential(
    *digit_features(),
    nn.Dropout(0.25),
    nn.Linear(49 * 64, 128),
    nn.ReLU(),
    nn.Dropout(0.5),
    nn.Linear(128, 10),
)
optimizer = torch.optim.Adam(model.parameters(), lr=s.RATE)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, s.STEPS)
for epoch in s.epochs():
    model.train()
    for batch in epoch:
        images, labels = tensors(batch)
        optimizer.zero_grad()
        cross_entropy(model(images), labels).backward()
        optimizer.step()
        schedule.step()
    model.eval()
    with torch.no_grad():
        images, labels = tensors(s.DATA.test)
        last = (model(images).argmax(-1) == labels).float().mean().item()
s.said(last)
