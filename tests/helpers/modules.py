"""Modules that a learner might bring."""

import torch
from torch import nn


class AttentionOnPatches(nn.Module):
    """Patches of 4x4 pixels, which torch's multi-head attention mixes."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.mix = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        return self.mix(tokens, tokens, tokens)[0].mean(1)


class Bottleneck(nn.Module):
    """A residual block as torchvision's ResNets have them, a step of 2 where it widens the map."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        stride = 1 if in_channels == out_channels else 2
        self.conv1 = nn.Conv2d(in_channels, 4, 1)
        self.conv2 = nn.Conv2d(4, out_channels, 3, stride, padding=1)
        self.downsample = None if stride == 1 else nn.Conv2d(in_channels, out_channels, 1, stride)

    def forward(self, x):
        beside = x if self.downsample is None else self.downsample(x)
        return torch.relu(self.conv2(self.conv1(x).relu()) + beside)


class StagesInLists(nn.Module):
    """Blocks in lists in a list and heads in a dict, as HRNet and detectors hold them: containers
    that never run themselves.
    """

    def __init__(self):
        super().__init__()
        self.heads = nn.ModuleDict({"classes": nn.Linear(16, 10), "unused": nn.Linear(16, 4)})
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        narrow = nn.ModuleList([Bottleneck(8, 8), Bottleneck(8, 8)])
        self.stages = nn.ModuleList([narrow, nn.ModuleList([Bottleneck(8, 16)])])

    def forward(self, x):
        x = self.stem(x)
        for stage in self.stages:
            for block in stage:
                x = block(x)
        return self.heads["classes"](x.mean((2, 3)))
