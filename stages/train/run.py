"""One training: from the params and the data to published weights and curves."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pixelproof.augmentation.apply import needs_shares
from pixelproof.augmentation.view import Around
from pixelproof.core.errors import StateError
from pixelproof.core.files import read_json, whole_folder, write_json, write_text
from pixelproof.nn.build import build_model, class_ids, read_config, save_weights
from pixelproof.nn.precision import warn_if_slow
from pixelproof.nn.runtime import Compute, set_up
from pixelproof.scoring import confusion
from stages.train.checkpoint import Checkpoints, digest_of_inputs, files_of_inputs
from stages.train.curves import Curves
from stages.train.data import Labelled, Order, Pair, TrainSet, Windows, loader, to_validate
from stages.train.decoded import Decoded, key
from stages.train.endings import VALIDATION, explained
from stages.train.heads import set_losses
from stages.train.params import Balance, Params, Train
from stages.train.plan import planned
from stages.train.progress import TrainingProgress
from stages.train.weights import frequency_weights

PREPARED, AUGMENTED = Path("data/prepared"), Path("data/augmented")
CARD = Path("results/data/train.json")  # training pixels by class, counted by prepare


def train(arch: str, seed: int, params: Params, paced: Callable[[Iterator[Any]], Iterator[Any]] = iter) -> None:
    """Train one architecture with one seed, resuming where a killed process left off, and publish the best weights.

    Args:
        arch: The architecture.
        seed: One of train.seeds.
        params: All params of the stage.
        paced: What the batches pass before the loop gets them; a benchmark pauses the training there.
    """
    import torch

    from pixelproof.nn import deterministic
    from stages.train.feed import on_device
    from stages.train.learner import Learner
    from stages.train.loop import Course, Records, Run
    from stages.train.parts import freeze

    if params.train.deterministic:
        deterministic.demand()
    device = set_up(params.compute)
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    main = rank == 0
    if main:
        warn_if_slow(params.compute, device)
    seeds = (params.seed, seed)
    data = Labelled.open([(PREPARED, "train"), (AUGMENTED, "train")])
    validated = to_validate([(PREPARED, "val")], data.size)
    config = read_config(Path(f"data/configs/{arch}.json"))
    plan = planned(params.train, len(data))
    order = Order(len(data), seeds, params.train.batch, plan.iterations, rank, world)
    results = Path(f"results/{arch}/{seed}/train")
    with (
        joined(device, world),
        explained(params.train.batch // world, params.train.crop_size or data.size),
        deterministic.refusals_named(),
    ):
        files = from_first(files_of_inputs, arch, seed)
        checkpoints = Checkpoints(arch, seed, digest_of_inputs(arch, seed, files, {"device": device, "devices": world}))
        progress = TrainingProgress(f"{arch} seed {seed}", order.iterations, order.batch, silent=not main)
        run = Run(
            Course(seeds, plan, order, data),
            Records(checkpoints, Curves(results if main else None), progress, main),
            Validation(validated, params.compute, params.train.val_batch, device, (rank, world)),
            device,
        )
        torch.manual_seed(first_seed(seeds))  # torch's layers draw their initial weights when they are built
        model = build_model(config, data.classes, params.compute)
        set_losses(model, params.train.loss, class_weights(data.names, params.train.balance))
        frozen = freeze(model, params.train.freeze)
        state = checkpoints.load()
        if state is None:
            start(model, config, first_seed(seeds), progress.say)
        if hasattr(model, "fit"):
            run.fit(model.to(device))
        else:
            learner = Learner(model, frozen, params.train, params.compute, device)
            if state is not None:
                run.resume(state, learner)
            del state
            images = Decoded(data, key(files), params.train.decoded)
            train_set = TrainSet(
                images, seeds, tuple(params.train.flips), tuple(params.train.augment), around(data, params.train)
            )
            batches = loader(train_set, order, params.train.workers, pin=device == "cuda")
            run.iterate(learner, paced(on_device(batches, device)))
        if main:
            publish(arch, seed, run, data.names, results)
            checkpoints.remove()


def around(data: Labelled, train: Train) -> Around:
    """What augmentation may know beside an image; the shares of classes are those of the data card."""
    shares: tuple[float, ...] = ()
    if needs_shares(train.augment):
        entries = {entry["name"]: entry["pixels"] for entry in read_json(CARD)["classes"]}
        whole = max(sum(entries[name] for name in data.names), 1)
        shares = tuple(entries[name] / whole for name in data.names)
    return Around(train.crop_size, data.things, shares)


def start(model: Any, config: dict[str, Any], seed: int, say: Callable[[str], None]) -> None:
    """Draw a network's initial weights, then load those that its config names."""
    from stages.train import pretrained
    from stages.train.learner import draw_weights

    if not hasattr(model, "fit"):
        draw_weights(model, seed)
    pretrained.start(model, config, say)


def from_first(work: Callable[..., Any], *arguments: Any) -> Any:
    """What the first of several processes makes of some arguments, for all of them."""
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return work(*arguments)
    made = [work(*arguments) if distributed.get_rank() == 0 else None]
    distributed.broadcast_object_list(made)
    return made[0]


def class_weights(names: list[str], balance: Balance) -> list[float] | None:
    """The class weights, from the data card of the training split; None if all are equal."""
    entries = {entry["name"]: entry for entry in read_json(CARD)["classes"]}
    counts, present = ([entries[name][key] for name in names] for key in ("pixels", "pixels_where_present"))
    return frequency_weights(counts, balance.by, balance.power, present)


@contextmanager
def joined(device: str, world: int) -> Iterator[None]:
    """Join the other processes that torchrun started. MMEngine's own function needs CUDA even on the CPU."""
    import torch

    if world == 1:
        yield
        return
    if device == "cuda":
        device_number, present = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if device_number >= present:
            raise StateError(
                f"process {device_number}", f"{present} CUDA devices", f"give --processes {present} at most"
            )
        torch.cuda.set_device(device_number)
    torch.distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.distributed.DistError) and "gloo" not in str(error):
            raise
        found = f"could not reach the others ({' '.join(str(error).split())[:160]})"
        raise StateError(f"process {os.environ['RANK']}", found, "see why they stopped") from None
    finally:
        torch.distributed.destroy_process_group()


def first_seed(seeds: tuple[int, int]) -> int:
    """The seed of the initial weights."""
    return int(np.random.SeedSequence(seeds).generate_state(1)[0])


class Validation:
    """mIoU and pixel accuracy over a split, each of several processes taking its share of the images."""

    def __init__(
        self, data: Labelled | Windows, compute: Compute, batch: int, device: str, place: tuple[int, int]
    ) -> None:
        self.data, self.compute, self.batch, self.device = data, compute, batch, device
        self.rank, self.world = place

    def __call__(self, model: Any) -> dict[str, float]:
        """Validate a network."""
        model.eval()
        total = np.zeros((self.data.classes, self.data.classes), np.int64)
        for pairs in self.decoded():
            with explained(len(pairs), self.data.size, VALIDATION):
                predictions = class_ids(model, [image for image, _ in pairs], self.compute, self.device)
            for (_, mask), prediction in zip(pairs, predictions, strict=True):
                total += confusion.confusion(mask, prediction, self.data.classes)
        if self.world > 1:
            import torch

            summed = torch.from_numpy(total).to(self.device)
            torch.distributed.all_reduce(summed)
            total = summed.cpu().numpy()
        accuracy = float(np.diag(total).sum() / max(total.sum(), 1))
        return {"val/mIoU": float(np.nanmean(confusion.iou(total))), "val/pixel_accuracy": accuracy}

    def read(self, part: range) -> list[Pair]:
        """Some images with their masks."""
        return [self.data.read(index) for index in part]

    def decoded(self) -> Iterator[list[Pair]]:
        """The batches of this process, each decoded while the network predicts the one before it."""
        mine = range(self.rank, len(self.data), self.world)
        parts = [mine[start : start + self.batch] for start in range(0, len(mine), self.batch)]
        with ThreadPoolExecutor(1) as beside:
            following: Future[list[Pair]] | None = None
            for part in parts:
                current, following = following, beside.submit(self.read, part)
                if current:
                    yield current.result()
            if following:
                yield following.result()


def publish(arch: str, seed: int, run: Any, names: list[str], results: Path) -> None:
    """Write the best weights with their facts, and the curves."""
    facts = {
        "architecture": arch,
        "seed": seed,
        "classes": names,
        "iterations": run.done,
        "best_iteration": run.best["iteration"],
        "val_mIoU": round(run.best["mIoU"], 6),
    }
    write_text(results / "curves.csv", run.curves.as_csv())
    with whole_folder(Path(f"models/{arch}/{seed}")) as folder:
        save_weights(folder / "weights.safetensors", run.best["weights"])
        write_json(folder / "facts.json", facts)
    run.progress.say(f"best validation mIoU {run.best['mIoU']:.3f} at iteration {run.best['iteration']}")
