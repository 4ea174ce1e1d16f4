"""Colour clusters that predict classes: the baseline without a neural network.

K-means (MacQueen 1967) over the colours and positions of training pixels, in mini-batches (Sculley, "Web-Scale K-Means
Clustering", WWW 2010, as implemented by scikit-learn). Each cluster predicts the most frequent class of its training
pixels, with its share as the certainty. It is built, loaded and used for prediction like any other network.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from mmengine.model import BaseModel
from mmseg.registry import MODELS
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import IGNORE

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]

FEATURES = 5  # three of colour, two of position
CHUNK = 1 << 16  # pixels whose distances to all centres are in memory at once
MOST = 1 << 22  # pixels drawn from all images together: 0.5 GiB, including all that is computed from them
BATCH = 4096  # pixels of a mini-batch: a few for each of 100 clusters
RARE = 1e-4  # the smallest share of a class in a cluster: keeps logits finite
STARTS = 3  # random initialisations; the best is kept


@MODELS.register_module()
class KMeansSegmentor(BaseModel):  # type: ignore[misc]
    """Gives each pixel the class of its nearest centre. `fit` finds the centres; there is no gradient.

    `position` is the weight of a pixel's row and column relative to one colour channel: 0 means colour alone.
    """

    def __init__(
        self,
        decode_head: dict[str, Any],
        clusters: int,
        position: float,
        samples: int,
        data_preprocessor: dict[str, Any],
    ) -> None:
        super().__init__(data_preprocessor)
        self.num_classes = int(decode_head["num_classes"])
        self.position, self.samples = position, samples
        self.register_buffer("scale", torch.ones(FEATURES))
        self.register_buffer("centres", torch.zeros(clusters, FEATURES))
        self.register_buffer("votes", torch.zeros(clusters, self.num_classes))

    def forward(self, inputs: Tensor, data_samples: Any = None, mode: str = "tensor") -> Tensor:
        """The same as `encode_decode`.

        Raises:
            NotImplementedError: A loss is requested; k-means has none.
        """
        if mode != "tensor":
            raise NotImplementedError(f"k-means has no mode {mode!r}: it learns by `fit`, not by a loss")
        return self.encode_decode(inputs, [])

    def encode_decode(self, inputs: Tensor, metas: list[dict[str, Any]]) -> Tensor:
        """The logits of normalised images: their softmax is the votes of each pixel's cluster."""
        logits = self.votes.clamp_min(RARE).log()
        return torch.stack(
            [logits[self.nearest(features(image).T)].T.reshape(-1, *image.shape[1:]) for image in inputs]
        )

    def nearest(self, points: Tensor) -> Tensor:
        """The nearest centre of each point.

        |x - c|^2 is smallest where x.c - |c|^2 / 2 is largest, and that is a linear layer.
        """
        offsets = -self.centres.square().sum(dim=1) / 2
        with torch.autocast(points.device.type, enabled=False):
            chunks = (points[start : start + CHUNK] * self.scale for start in range(0, len(points), CHUNK))
            return torch.cat([functional.linear(chunk, self.centres, offsets).argmax(dim=1) for chunk in chunks])

    @torch.no_grad()
    def fit(self, pairs: Iterable[Pair], images: int, classes: int, seed: int) -> dict[str, Any]:
        """Find the centres and their votes. The same pairs and seed give the same bytes.

        Args:
            pairs: RGB images and their masks.
            images: How many pairs there are.
            classes: The number of classes.
            seed: For drawing the pixels and for the clustering.

        Returns:
            How many pixels were drawn, how many clusters have some of them, and the accuracy on them.

        Raises:
            DataError: There are fewer labelled pixels than clusters.
        """
        points, labels = self.draw(pairs, min(self.samples, max(1, MOST // images)), seed)
        wanted = len(self.centres)
        if len(points) < wanted:
            raise DataError(
                "the training split",
                f"at least {wanted} labelled pixels, one for each cluster",
                str(len(points)),
                "label more, or give the architecture fewer clusters",
            )
        spread = points.std(axis=0, dtype=np.float64)
        counts_of = np.array([1, 1, 1, self.position, self.position])
        scale = torch.from_numpy(counts_of / np.where(spread > 0, spread, 1)).to(self.scale)
        self.scale.copy_(scale)
        self.centres.copy_(torch.from_numpy(cluster(points * scale.cpu().numpy(), wanted, seed)))
        nearest = self.nearest(torch.from_numpy(points).to(self.scale)).cpu().numpy()
        counts = np.bincount(nearest * classes + labels, minlength=wanted * classes).reshape(wanted, classes)
        votes = vote(counts, self.centres.cpu().numpy())
        self.votes.copy_(torch.from_numpy(votes))
        return {
            "pixels": len(points),
            "clusters": int((counts.sum(axis=1) > 0).sum()),
            "accuracy": round(float((votes.argmax(axis=1)[nearest] == labels).mean()), 6),
        }

    def draw(self, pairs: Iterable[Pair], samples: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The features and the labels of up to `samples` labelled pixels of each image."""
        rng = np.random.default_rng(seed)
        points, labels = [np.empty((0, FEATURES), np.float32)], [np.empty(0, np.int64)]
        for image, mask in pairs:
            rows, columns = np.nonzero(mask != IGNORE)
            chosen = rng.choice(len(rows), min(samples, len(rows)), replace=False)
            rows, columns = rows[chosen], columns[chosen]
            pixels = torch.from_numpy(image).permute(2, 0, 1)[None]
            normalised = self.data_preprocessor({"inputs": pixels}, False)["inputs"][0]
            planes = features(normalised).view(FEATURES, *normalised.shape[1:]).cpu().numpy()
            points.append(planes[:, rows, columns].T)
            labels.append(mask[rows, columns].astype(np.int64))
        return np.concatenate(points), np.concatenate(labels)


def features(image: Tensor) -> Tensor:
    """Colour and position of each pixel of an image, one pixel per column.

    Positions run from -1 to 1, from the first row or column to the last, of the image as padded, both in training and
    in prediction.

    Example:
        >>> features(torch.zeros(3, 2, 2))[3:]  # row and column of the four pixels
        tensor([[-1., -1.,  1.,  1.],
                [-1.,  1., -1.,  1.]])
    """
    _, height, width = image.shape
    rows = torch.linspace(-1, 1, height, device=image.device)[:, None].expand(height, width)
    columns = torch.linspace(-1, 1, width, device=image.device).expand(height, width)
    return torch.cat([image, rows[None], columns[None]]).flatten(1)


def cluster(points: NDArray[np.float32], clusters: int, seed: int) -> NDArray[np.float32]:
    """The centres of clusters of points.

    Runs on one thread: several would sum in varying order, and rounding errors could change when the fit stops.
    """
    from sklearn.cluster import MiniBatchKMeans
    from threadpoolctl import threadpool_limits

    method = MiniBatchKMeans(clusters, batch_size=BATCH, n_init=STARTS, random_state=seed, compute_labels=False)
    with threadpool_limits(1):
        centres: NDArray[np.float32] = method.fit(points).cluster_centers_
    return centres


def vote(counts: NDArray[np.int64], centres: NDArray[np.float32]) -> NDArray[np.float32]:
    """The share of each class among the pixels of each cluster.

    Args:
        counts: Pixels by cluster (rows) and class (columns).
        centres: One per cluster. A cluster without pixels gets the votes of the nearest cluster that has some.

    Example:
        >>> vote(np.array([[3, 1], [0, 0], [0, 2]]), np.array([[0.0], [4.0], [5.0]], np.float32))
        array([[0.75, 0.25],
               [0.  , 1.  ],
               [0.  , 1.  ]], dtype=float32)
    """
    sums = counts.sum(axis=1, keepdims=True)
    filled = sums[:, 0] > 0
    distances = np.square(centres[:, None] - centres[None, filled]).sum(axis=2)
    votes: NDArray[np.float32] = (counts / np.maximum(sums, 1)).astype(np.float32)
    votes[~filled] = votes[filled][distances.argmin(axis=1)][~filled]
    return votes
