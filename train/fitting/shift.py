"""Move training windows along the genome. Many are neighbours, so the bases beside them are known."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jundscan.dna.letters import WINDOW_LENGTH
from train.data.dataset import Windows, chroms_and_starts, in_genome_order

MAX_SHIFT = WINDOW_LENGTH // 2
"""Maximum bases that a window is moved, because further on it would be its neighbour."""


def neighbours(windows: Windows) -> NDArray[np.int64]:
    """Find the abutting windows that have the same label, because any window between them has it too.

    Returns
    -------
    numpy.ndarray, shape=(2, N), dtype=int64
        Rows of the windows before and after each window. A window without such a neighbour has its own row.
    """
    own = np.arange(len(windows.codes))
    found = np.stack([own, own])
    if windows.ids is None:
        return found
    order, follows = in_genome_order(*chroms_and_starts(windows))
    here, behind = order[:-1][follows[1:]], order[follows]
    alike = windows.labels[behind] == windows.labels[here]
    found[0, behind[alike]] = here[alike]
    found[1, here[alike]] = behind[alike]
    return found


def shift_windows(
    codes: Tensor, accessibility: Tensor, near: Tensor, rows: Tensor, share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Choose windows and move a fraction of them by up to half their length to either side.

    Parameters
    ----------
    codes, accessibility : torch.Tensor, shape=(N, 101) and (N,)
        All windows.
    near : torch.Tensor, shape=(2, N)
        From :func:`neighbours`.
    rows : torch.Tensor, shape=(B,)
        Windows to choose.
    share : float
        Fraction to move of the windows that have a neighbour on the drawn side.
    generator : torch.Generator

    Returns
    -------
    codes, accessibility : torch.Tensor, shape=(B, 101) and (B,)
        A moved window's accessibility is the mean of both windows', weighted by the bases from each.
    """
    side = torch.randint(2, (len(rows),), generator=generator)
    distance = torch.randint(MAX_SHIFT + 1, (len(rows),), generator=generator)
    moved = torch.rand(len(rows), generator=generator) < share
    other = near[side, rows]
    distance = torch.where(moved & (other != rows), distance, 0)
    left, right = torch.where(side == 0, other, rows), torch.where(side == 0, rows, other)
    first = torch.where(side == 0, WINDOW_LENGTH - distance, distance).to(codes.device)
    both = torch.cat([codes[left.to(codes.device)], codes[right.to(codes.device)]], dim=1)
    taken = both.gather(1, first[:, None] + torch.arange(WINDOW_LENGTH, device=codes.device))
    part = (distance / WINDOW_LENGTH).to(accessibility)
    mean = accessibility[rows.to(codes.device)] * (1.0 - part) + accessibility[other.to(codes.device)] * part
    return taken, mean
