"""Turned views against SciPy, NumPy's quarter turns, and networks that show who votes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from stages.evaluate.augmented import augmented
from stages.evaluate.params import Augmentation
from stages.evaluate.slide import Image
from stages.evaluate.turned import turn, turn_back

SIZES = [(24, 24), (17, 31), (40, 9)]


def smooth(height: int, width: int) -> Image:
    """An image without sharp edges."""
    noise = np.random.default_rng(height).normal(size=(height, width, 3))
    blurred = ndimage.gaussian_filter(noise, (2, 2, 0), mode="mirror")
    image: Image = np.clip(128 + 300 * blurred, 0, 255).astype(np.uint8)
    return image


def turned_by_scipy(values: NDArray[np.float64], degrees: float) -> NDArray[np.float64]:
    """Turned clockwise with bilinear interpolation; what comes from outside is -1."""
    found: NDArray[np.float64] = ndimage.rotate(values, -degrees, (1, 0), reshape=False, order=1, cval=-1.0)
    return found


def outside(height: int, width: int, degrees: float) -> NDArray[np.bool_]:
    """Which pixels of a turned image come from outside it, by more than their place is rounded."""
    y, x = np.mgrid[:height, :width] - np.array([height - 1, width - 1])[:, None, None] / 2
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    beyond = np.abs(cosine * y - sine * x) - (height - 1) / 2, np.abs(cosine * x + sine * y) - (width - 1) / 2
    found: NDArray[np.bool_] = np.maximum(*beyond) > 1 / 64 + 1e-3
    return found


def of_image(image: Image) -> torch.Tensor:
    """Probabilities of two classes: an image's first channel, and the rest."""
    share = torch.from_numpy(image[..., 0].astype(np.float32) / 255)
    return torch.stack([share, 1 - share])[None]


@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_turned_by_0_degrees(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    back, votes = turn_back(of_image(image), 0.0)
    assert (turn(image, 0.0) == image).all()
    assert torch.equal(back, of_image(image)) and bool((votes == 1).all())


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_quarter_turns_are_numpys(quarters: int) -> None:
    """Without any mixing; all pixels of a square are shown, and come back to where they were."""
    image = np.random.default_rng(1).integers(0, 256, (12, 12, 3), np.uint8)
    turned = turn(image, 90.0 * quarters)
    assert (turned == np.rot90(image, -quarters)).all()
    back, votes = turn_back(of_image(turned), 90.0 * quarters)
    assert torch.equal(back, of_image(image)) and bool((votes == 1).all())


@pytest.mark.parametrize("degrees", [-30.0, -7.5, 3.0, 45.0])
@pytest.mark.parametrize("size", SIZES)
def test_turning_is_scipys(size: tuple[int, int], degrees: float) -> None:
    """Up to 1/64 of a pixel; the probabilities are turned the other way."""
    image = smooth(*size)
    there = turned_by_scipy(np.ones(size), degrees) > 0.999
    expected = np.stack([turned_by_scipy(image[..., i].astype(float), degrees) for i in range(3)], axis=-1)
    assert there.sum() > 40
    np.testing.assert_allclose(turn(image, degrees)[there], expected[there], atol=2.5)
    back, votes = turn_back(of_image(image), degrees)
    expected = turned_by_scipy(of_image(image)[0, 0].double().numpy(), -degrees)
    assert (back[0][:, votes[0, 0] == 0] == 0).all()
    voted = (votes[0, 0].numpy() == 1) & (
        turned_by_scipy(np.ones(size), -degrees) > 0.999
    )  # at the very edge they differ
    assert voted.sum() > 40
    np.testing.assert_allclose(back[0, 0].numpy()[voted], expected[voted], atol=0.01)
    np.testing.assert_allclose(back[0].sum(dim=0).numpy()[voted], 1, rtol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 0.7, 1.5])
@pytest.mark.parametrize("degrees", [-20.0, 10.0, 45.0])
def test_what_turning_brings_in_does_not_vote(degrees: float, scale: float) -> None:
    """A network that is sure of the first class upright and inside a turned image, and of the second one where a view
    shows what was outside, which it knows by trigonometry."""
    size = 21, 26
    shown: list[bool] = []

    def network(images: list[Image]) -> torch.Tensor:
        height, width = images[0].shape[:2]
        inside = np.ones((height, width), bool)
        if len(shown) % 2:
            inside = ~outside(height, width, degrees)
        shown.append(bool(inside.all()))
        logits = np.where(inside, 200.0, -200.0)
        return torch.from_numpy(np.stack([logits, -logits])[None]).float()

    tta = Augmentation(flips=[], scales=[scale], rotations=[0.0, degrees])
    found = augmented(network, [np.zeros((*size, 3), np.uint8)], tta).softmax(dim=1)
    assert shown == [True, False]
    torch.testing.assert_close(found[0, 0], torch.ones(size))


def test_views_are_averaged_by_hand() -> None:
    """A square of 3 pixels turned by 45 degrees: the middle stays. A pixel beside it comes to (0.7, 0.7) from there,
    and would be mixed of four, one of them a corner that was outside: it has no vote, and the corners have none.

    Upright the network gives the first class 0.9, and twice 0.5 when the image is turned.
    """
    answers = iter([0.9, 0.5, 0.5])

    def network(images: list[Image]) -> torch.Tensor:
        share = next(answers)
        return torch.tensor([share, 1 - share]).log()[None, :, None, None].expand(1, 2, 3, 3)

    tta = Augmentation(flips=[], scales=[1.0], rotations=[0.0, 45.0, -45.0])
    found = augmented(network, [np.zeros((3, 3, 3), np.uint8)], tta).exp()[0, 0]
    expected = torch.full((3, 3), 0.9)
    expected[1, 1] = (0.9 + 0.5 + 0.5) / 3
    torch.testing.assert_close(found, expected)


def test_a_network_that_turns_with_the_image_says_the_same() -> None:
    """One that sees nothing but a pixel itself, on an image without edges, with flips: by less than 0.03."""
    image = smooth(40, 48)

    def network(images: list[Image]) -> torch.Tensor:
        return torch.cat([of_image(each) for each in images]).clamp(min=1e-6).log()

    upright = Augmentation(flips=[], scales=[1.0])
    turned = Augmentation(flips=["horizontal", "vertical"], scales=[1.0], rotations=[-10.0, 0.0, 10.0])
    plain, found = (augmented(network, [image], tta).softmax(dim=1) for tta in (upright, turned))
    assert 0 < (plain - found).abs().max() < 0.03
    assert torch.equal(augmented(network, [image], turned).softmax(dim=1), found), "the same bytes each time"
