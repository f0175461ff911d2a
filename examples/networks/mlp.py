"""A multilayer perceptron: one hidden layer over all letters of the window. See docs/own-network.md."""

import torch
from torch import nn


class MLP(nn.Module):
    """Each hidden unit weighs every letter at every position. Accessibility joins before the output."""

    def __init__(self, hidden=256):
        super().__init__()
        self.hidden = nn.Linear(101 * 4, hidden)
        self.output = nn.Linear(hidden + 1, 1)

    def forward(self, X, a):
        """Return logits (N, 1) of windows X (N, 101, 4) with accessibility a (N, 1)."""
        h = torch.relu(self.hidden(X.flatten(1)))
        return self.output(torch.cat([h, a], dim=1))
