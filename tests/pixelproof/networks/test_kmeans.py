"""K-means as a network: flat colours, hand-counted votes, and scikit-learn's nearest centres on features made here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances_argmin
from threadpoolctl import threadpool_limits

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import IGNORE
from pixelproof.networks import kmeans
from pixelproof.networks.kmeans import Pair, vote
from pixelproof.nn.build import build_model, class_ids, weights_bytes
from pixelproof.nn.runtime import Compute
from stages.configure.resolve import NORMALIZE, resolve

FP32 = Compute(device="cpu", precision="fp32", channels_last=False, threads=1)
BF16 = Compute(device="cpu", precision="bf16", channels_last=True, threads=1)
COLOURS = np.array([[200, 60, 60], [60, 200, 60], [60, 60, 200], [255, 255, 0]], np.uint8)


def built(clusters: int, position: float, samples: int = 500, classes: int = 4) -> Any:
    """The segmentor as build_model returns it, with other settings."""
    config = resolve("kmeans", "small")
    config["model"] |= {"clusters": clusters, "position": position, "samples": samples}
    return build_model(config, classes, FP32)


def noisy(count: int = 4, spread: float = 20.0) -> list[Pair]:
    """Images of 40x50 (no multiple of 32) of four colours in patches, and their masks with a strip of 255."""
    pairs = []
    for number in range(count):
        rng = np.random.default_rng(number)
        mask = np.kron(rng.integers(0, 4, (4, 5)), np.ones((10, 10), int)).astype(np.uint8)
        image = np.clip(COLOURS[mask] + rng.normal(0, spread, (40, 50, 3)), 0, 255).astype(np.uint8)
        mask[:3] = IGNORE
        pairs.append((image, mask))
    return pairs


def published(model: Any) -> bytes:
    return weights_bytes(model.state_dict())


@pytest.mark.parametrize("compute", [FP32, BF16], ids=["fp32", "bf16"])
def test_flat_colours_are_told_apart(compute: Compute) -> None:
    """Also with more clusters than colours: several then coincide and get no pixels."""
    pairs = noisy(spread=0)
    for clusters in (4, 9):
        model = built(clusters, position=0.0)
        facts = model.fit(pairs, len(pairs), 4, seed=1)
        assert facts["pixels"] == 4 * 500 and facts["accuracy"] == 1
        found = class_ids(model, [image for image, _ in pairs], compute, "cpu")
        for prediction, (image, _) in zip(found, pairs, strict=True):
            assert (COLOURS[prediction] == image).all()


def test_position_tells_apart_what_colour_does_not() -> None:
    """Grey everywhere: the left half is class 0, the right half class 1. Colour alone gives one class to all."""
    image, mask = np.full((32, 64, 3), 128, np.uint8), np.zeros((32, 64), np.uint8)
    mask[:, 32:] = 1
    found = {}
    for position in (0.0, 1.0):
        model = built(16, position, samples=32 * 64)
        model.fit([(image, mask)], 1, 4, seed=0)
        found[position] = (class_ids(model, [image], FP32, "cpu")[0] == mask).mean()
    assert found[0.0] == 0.5 and found[1.0] > 0.85


def test_votes_by_hand() -> None:
    """Shares of the pixels; cluster 2 has none and is nearest to cluster 3."""
    counts = np.array([[3, 1, 0], [2, 2, 0], [0, 0, 0], [0, 1, 4]])
    centres = np.array([[0, 0], [1, 0], [8, 1], [9, 0]], np.float32)
    shares = [[0.75, 0.25, 0], [0.5, 0.5, 0], [0, 0.2, 0.8], [0, 0.2, 0.8]]
    assert np.array_equal(vote(counts, centres), np.array(shares, np.float32))


def test_certainty_is_the_share_of_the_cluster() -> None:
    """One colour, a quarter of it of another class: everywhere 0.75 for the more frequent class."""
    image, mask = np.full((32, 32, 3), 128, np.uint8), np.zeros((32, 32), np.uint8)
    mask[:8] = 1
    model = built(1, position=0.0, samples=32 * 32)
    assert model.fit([(image, mask)], 1, 4, seed=0)["accuracy"] == 0.75
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None]
    logits = model.encode_decode(model.data_preprocessor({"inputs": pixels}, False)["inputs"], [])
    assert torch.allclose(logits.softmax(dim=1)[0].amax(dim=0), torch.tensor(0.75), atol=3e-4)
    assert (logits.argmax(dim=1) == 0).all()


def features_by_numpy(image: NDArray[np.uint8], position: float) -> NDArray[np.float64]:
    """Normalised colours and positions from -1 to 1 over 64x64, to which 40x50 is padded; before scaling."""
    colours = (image - np.array(NORMALIZE["mean"])) / np.array(NORMALIZE["std"])
    rows, columns = np.meshgrid(np.linspace(-1, 1, 64), np.linspace(-1, 1, 64), indexing="ij")
    places = np.stack([rows, columns], axis=2)[:40, :50]
    return np.concatenate([colours, position * places], axis=2).reshape(-1, 5)


@pytest.mark.parametrize("compute", [FP32, BF16], ids=["fp32", "bf16"])
def test_prediction_is_scikit_learns_nearest_centre(compute: Compute, monkeypatch: pytest.MonkeyPatch) -> None:
    """Always in fp32; each feature is divided by its standard deviation over the training pixels, here all pixels."""
    monkeypatch.setattr(kmeans, "CHUNK", 999)
    pairs = noisy()
    model = built(12, position=0.7, samples=40 * 50)
    model.fit(pairs, len(pairs), 4, seed=0)
    known = [features_by_numpy(image, 1.0)[mask.ravel() != IGNORE] for image, mask in pairs]
    deviations = np.concatenate(known).std(axis=0)
    centres, votes = model.centres.numpy().astype(np.float64), model.votes.argmax(dim=1).numpy()
    ids = class_ids(model, [image for image, _ in pairs], compute, "cpu")
    for prediction, (image, _) in zip(ids, pairs, strict=True):
        nearest = pairwise_distances_argmin(features_by_numpy(image, 0.7) / deviations, centres)
        assert (prediction.ravel() == votes[nearest]).all()
    assert len(set(votes.tolist())) == 4


def test_ignored_pixels_have_no_influence() -> None:
    """Another colour under 255 changes no byte; another colour elsewhere does."""
    pairs = noisy()
    repainted = [(np.where(mask[..., None] == IGNORE, 77, image).astype(np.uint8), mask) for image, mask in pairs]
    changed = [(np.where(mask[..., None] == 0, 77, image).astype(np.uint8), mask) for image, mask in pairs]
    found = []
    for data in (pairs, repainted, changed):
        model = built(8, position=0.5)
        model.fit(data, len(data), 4, seed=0)
        found.append(published(model))
    assert found[0] == found[1] != found[2]


def test_the_same_bytes_each_time_and_with_any_number_of_threads() -> None:
    """Only another seed changes them."""
    found = []
    for seed, threads in ((0, 1), (0, 2), (1, 1)):
        model = built(16, position=0.5, samples=2000)
        with threadpool_limits(threads):
            model.fit(noisy(8), 8, 4, seed)
        found.append(published(model))
    assert found[0] == found[1] != found[2]


def test_fewer_pixels_than_clusters_are_an_error() -> None:
    """Also without any: images whose masks are all 255."""
    image, mask = noisy(1)[0]
    with pytest.raises(DataError, match=r"at least 8 labelled pixels.*found 0"):
        built(8, position=0.0).fit([(image, np.full_like(mask, IGNORE))], 1, 4, seed=0)


def test_many_images_give_fewer_pixels_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that memory does not grow with their number."""
    monkeypatch.setattr(kmeans, "MOST", 1000)
    pixels = [built(8, position=0.0, samples=200).fit(noisy(count), count, 4, seed=0)["pixels"] for count in (4, 8)]
    assert pixels == [4 * 200, 8 * 125]
