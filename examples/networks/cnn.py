"""A convolutional network: 8 filters of 8 bases, and their maxima along the window. See docs/own-network.md."""

import torch
from torch import nn


class CNN(nn.Module):
    """Each filter slides along the window, so it finds its motif anywhere. Accessibility joins before the head."""

    def __init__(self, filters=8, hidden=64):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(4, filters, kernel_size=8),  # 94 positions
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.MaxPool1d(kernel_size=16, stride=4),  # 20 positions
            nn.Flatten(),
        )
        self.head = nn.Sequential(
            nn.Linear(filters * 20 + 1, hidden),
            nn.ReLU(),
            nn.BatchNorm1d(hidden),
            nn.Linear(hidden, 1),
        )

    def forward(self, X, a):
        """Return logits (N, 1) of windows X (N, 101, 4) with accessibility a (N, 1)."""
        h = self.body(X.transpose(1, 2))  # Conv1d wants the letters as channels
        return self.head(torch.cat([h, a], dim=1))
