"""A recurrent network: an LSTM reads the window letter by letter. See docs/own-network.md."""

import torch
from torch import nn


class LSTM(nn.Module):
    """The last hidden state sums up the window. Accessibility joins before two dense layers."""

    def __init__(self, state=32, hidden=32):
        super().__init__()
        self.recurrent = nn.LSTM(4, state, batch_first=True)
        self.head = nn.Sequential(
            nn.Linear(state + 1, hidden),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(hidden, 1),
        )

    def forward(self, X, a):
        """Return logits (N, 1) of windows X (N, 101, 4) with accessibility a (N, 1)."""
        _, (h, _) = self.recurrent(X)  # h: (1, N, state)
        return self.head(torch.cat([h[0], a], dim=1))
