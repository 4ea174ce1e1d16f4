"""One training: from the params and the data to published weights and curves."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pixelproof.augmentation.apply import needs_shares
from pixelproof.augmentation.view import Around
from pixelproof.core import times
from pixelproof.core.errors import StateError
from pixelproof.core.files import whole_folder, write_json, write_text
from pixelproof.nn.build import build_model, class_ids, read_config, save_weights
from pixelproof.nn.precision import warn_if_slow
from pixelproof.nn.runtime import Compute, set_up
from pixelproof.scoring import confusion
from stages.train.checkpoint import Checkpoints, digest_of_inputs, files_of_inputs
from stages.train.curves import Curves
from stages.train.data import Labelled, Order, Pair, TrainSet, Windows, fitting, loader
from stages.train.decoded import Decoded, key
from stages.train.endings import VALIDATION, explained
from stages.train.folds import CARD as CARD
from stages.train.folds import Part, counted, mean_rows, parts_of
from stages.train.heads import set_losses
from stages.train.learnt import check_judged, learnt
from stages.train.params import Balance, Params, Train
from stages.train.plan import planned
from stages.train.progress import TrainingProgress
from stages.train.weights import frequency_weights

PREPARED, AUGMENTED = Path("data/prepared"), Path("data/augmented")


def train(arch: str, seed: int, params: Params, paced: Callable[[Iterator[Any]], Iterator[Any]] = iter) -> None:
    """Train one architecture with one seed, resuming where a killed process left off, and publish the best weights.

    If the data is in folds, a network is trained for each: from all others.

    Args:
        arch: The architecture.
        seed: One of train.seeds.
        params: All params of the stage.
        paced: What the batches pass before the loop gets them; a benchmark pauses the training there.
    """
    from pixelproof.nn import deterministic

    if params.train.deterministic:
        deterministic.demand()
    device = set_up(params.compute)
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if rank == 0:
        warn_if_slow(params.compute, device)
    data = Labelled.open([(PREPARED, "train"), (AUGMENTED, "train")])
    parts = parts_of(data, Labelled.of_any_size([(PREPARED, "val")]))
    config = read_config(Path(f"data/configs/{arch}.json"))
    check_judged(parts, config)
    with (
        joined(device, world),
        explained(params.train.batch // world, params.train.crop_size or data.size),
        deterministic.refusals_named(),
    ):
        files = from_first(files_of_inputs, arch, seed)
        digest = digest_of_inputs(arch, seed, files, {"device": device, "devices": world})
        task = Task(arch, seed, params, config, data, (device, rank, world), (files, digest))
        done = [task.train(part, paced) for part in parts]
        if rank == 0:
            publish(task, done)
            Checkpoints(arch, seed, digest).remove()


@dataclass(frozen=True)
class Done:
    """What a training has found."""

    part: Part
    iterations: int
    best: dict[str, Any]
    curves: Curves
    progress: TrainingProgress

    @property
    def score(self) -> float | None:
        """The best validation mIoU; None if nothing was labelled to validate with."""
        found = self.best["mIoU"]
        return None if found is None else round(found, 6)

    @property
    def told(self) -> str:
        """Which weights are published, and why."""
        at = f"at iteration {self.best['iteration']}"
        if self.score is None:
            return f"no labelled image to validate with: the last weights are published, {at}"
        return f"best validation mIoU {self.score:.3f} {at}"


@dataclass(frozen=True)
class Task:
    """What the trainings of one architecture with one seed share: there are several if the data is in folds."""

    arch: str
    seed: int
    params: Params
    config: dict[str, Any]
    data: Labelled  # of all folds
    place: tuple[str, int, int]  # device, rank, world
    inputs: tuple[dict[str, str], str]  # the digests of all files, and of all inputs

    def train(self, part: Part, paced: Callable[[Iterator[Any]], Iterator[Any]]) -> Done:
        """Train one network, resuming where a killed process left off; one that is done is not trained again."""
        import torch

        from stages.train.feed import on_device
        from stages.train.learner import Learner
        from stages.train.loop import Course, Records, Run
        from stages.train.parts import freeze

        train, compute, data, (device, rank, world) = self.params.train, self.params.compute, part.data, self.place
        seeds = (self.params.seed, self.seed)
        validated = fitting(part.judged, data.size)
        plan = planned(train, len(data))
        order = Order(len(data), seeds, train.batch, plan.iterations, rank, world)
        checkpoints = Checkpoints(self.arch, self.seed, self.inputs[1], part.name)
        label = f"{self.arch} seed {self.seed}{part.said}"
        progress = TrainingProgress(label, order.iterations, order.batch, silent=rank > 0)
        results = Path(f"results/{self.arch}/{self.seed}/train") / part.name
        curves = Curves(results if rank == 0 else None)
        run = Run(
            Course(seeds, plan, order, data),
            Records(checkpoints, curves, progress, rank == 0),
            Validation(validated, compute, train.val_batch, device, (rank, world)),
            device,
        )
        state = checkpoints.load()
        if state is not None and "steps" not in state:
            run.curves.restore([tuple(row) for row in state["curves"]])
            times.resumed()
            return Done(part, state["iteration"], state["best"], curves, progress)
        torch.manual_seed(first_seed(seeds))  # torch's layers draw their initial weights when they are built
        model = build_model(self.config, data.classes, compute)
        set_losses(model, train.loss, class_weights(data.names, train.balance, part.fold))
        frozen = freeze(model, train.freeze)
        if state is None:
            start(model, self.config, first_seed(seeds), progress.say)
        if hasattr(model, "fit"):
            run.fit(model.to(device))
        else:
            learner = Learner(model, frozen, train, compute, device)
            if state is not None:
                run.resume(state, learner)
            del state
            images = part.images(Decoded(self.data, key(self.inputs[0]), train.decoded))
            policy, things = tuple(train.augment), objects_of(self.config, data)
            train_set = TrainSet(images, seeds, tuple(train.flips), policy, around(data, train, part.fold), things)
            batches = loader(train_set, order, train.workers, pin=device == "cuda")
            run.iterate(learner, paced(on_device(batches, device)))
        if part.fold is not None and rank == 0:
            checkpoints.save({"iteration": run.done, "best": run.best, "curves": curves.rows})
        return Done(part, run.done, run.best, curves, progress)


def around(data: Labelled, train: Train, fold: int | None = None) -> Around:
    """What augmentation may know beside an image; the shares of classes are those of the data card."""
    shares: tuple[float, ...] = ()
    if needs_shares(train.augment):
        pixels = counted(data.names, "pixels", fold)
        shares = tuple(count / max(sum(pixels), 1) for count in pixels)
    return Around(train.crop_size, data.things, shares)


def objects_of(config: dict[str, Any], data: Labelled) -> tuple[int, ...]:
    """The classes whose objects a network learns; none if it learns classes alone.

    Raises:
        StateError: The data does not tell objects apart.
    """
    if config.get("task", "semantic") == "semantic":
        return ()
    if not data.things or not data.has_instances():
        found = "no class that is a thing" if not data.things else "no image whose objects are numbered"
        fix = "label instances (docs/data.md), or choose a network that learns classes alone"
        raise StateError(f"{config['architecture']}: {PREPARED}/train", found, fix)
    return data.things


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


def class_weights(names: list[str], balance: Balance, fold: int | None) -> list[float] | None:
    """The class weights, from the data card of the training split; None if all are equal."""
    counts, present = (counted(names, key, fold) for key in ("pixels", "pixels_where_present"))
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
        """Validate a network; no scores if no pixel is labelled."""
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
        if not total.any():
            return {}
        accuracy = float(np.diag(total).sum() / total.sum())
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


def publish(task: Task, done: list[Done]) -> None:
    """Write the best weights with their facts, and the curves; with folds those of each, and the curves' means."""
    results, models = Path(f"results/{task.arch}/{task.seed}/train"), Path(f"models/{task.arch}/{task.seed}")
    of_run = {"architecture": task.arch, "seed": task.seed, "classes": task.data.names}
    for one in done:
        write_text(results / one.part.name / "curves.csv", one.curves.as_csv())
    with whole_folder(models) as folder:
        for one in done:
            found: dict[str, Any] = {
                "iterations": one.iterations,
                "best_iteration": one.best["iteration"],
                "val_mIoU": one.score,
            } | learnt(one.part, task.config)
            save_weights(folder / one.part.name / "weights.safetensors", one.best["weights"])
            write_json(folder / one.part.name / "facts.json", of_run | found)
        if done[0].part.fold is not None:
            write_text(results / "curves.csv", Curves(None, mean_rows([one.curves.rows for one in done])).as_csv())
            write_json(folder / "facts.json", of_run | {"folds": [one.part.fold for one in done]})
    for one in done:
        one.progress.say(one.told)
