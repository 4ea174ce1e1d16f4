"""One of two processes that share batches and a validation; the first writes what `test_distributed.py` looks at."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

import torch
from torch import distributed

from pixelproof.nn.distributed import total
from stages.train.readings import Readings
from tests.stages.train.batches import BATCHES, LOSSES, READ, Counted, logits_of, validate, weight


def main() -> None:
    """Each loss on its half of each batch: the gradients' mean, as DistributedDataParallel takes it, and the loss."""
    distributed.init_process_group("gloo")
    rank, found = distributed.get_rank(), dict[str, Any]()
    for batch, labels in BATCHES.items():
        half = slice(2 * rank, 2 * rank + 2)
        for name, loss in LOSSES.items():
            w = weight()
            value = loss(logits_of(w)[half], labels[half])
            (gradient,) = torch.autograd.grad(value, w)
            distributed.all_reduce(gradient)
            found[f"{batch}, {name}"] = (float(total(value.detach())) / 2, gradient / 2)
    readings = Readings("cpu", 3)
    for number in range(3):
        asked = signal.SIGTERM if (rank, number) == (1, 1) else 0
        readings.note(torch.tensor(float(rank + number)), asked)
    found["losses"], found["asked"] = readings.read(), int(readings.asked)
    data = Counted.open([(Path(sys.argv[1]), "val")])
    found["scores"] = validate(data, rank, 2)
    found["reads"] = [[], []]
    distributed.all_gather_object(found["reads"], READ)
    if rank == 0:
        torch.save(found, sys.argv[2])
    distributed.destroy_process_group()
    os._exit(0)  # a thread of gloo that outlives the interpreter would abort the process


main()
