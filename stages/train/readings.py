"""What the host reads of the device while it trains: losses, and signals that any of the processes got.

To read is to wait for the device. So the loss of each iteration stays there, and several are read together. Where
several processes share a batch, one `all_reduce` per iteration adds up their losses and their signals.
"""

from __future__ import annotations

import torch
from torch import Tensor, distributed

from pixelproof.nn.distributed import processes
from stages.train.endings import SIGNALS


class Readings:
    """The losses of the iterations since the last reading."""

    def __init__(self, device: str, most: int) -> None:
        self.rows = torch.zeros(most, 1 + len(SIGNALS), device=device)  # of an iteration: its loss, and each signal
        self.count = 0
        self.asked = 0  # the signal that a process got, as all of them know since the last reading

    @property
    def full(self) -> bool:
        """Whether there is no room for another iteration."""
        return self.count == len(self.rows)

    def note(self, loss: Tensor, asked: int) -> None:
        """Keep the loss of an iteration, and a signal (or 0), without waiting for the device."""
        row = self.rows[self.count]
        row[0] = loss
        if asked:
            row[1 + SIGNALS.index(asked)] = 1
        if processes() > 1:
            distributed.all_reduce(row)
        self.count += 1

    def read(self) -> list[float]:
        """The mean losses of all processes, of each iteration since the last reading."""
        rows = self.rows[: self.count].tolist()
        self.rows.zero_()
        self.count = 0
        for _, *asked in rows:
            self.asked = self.asked or next((number for number, got in zip(SIGNALS, asked, strict=True) if got), 0)
        return [loss / processes() for loss, *_ in rows]
