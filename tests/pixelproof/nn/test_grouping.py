"""Objects from centres and offsets: who points exactly gets exactly the objects; and masks laid into an image."""

from __future__ import annotations

import numpy as np
import torch

from pixelproof.nn.boxes import truth_of
from pixelproof.nn.detections import pasted
from pixelproof.nn.grouping import grouped, peaks, targets


def scene() -> tuple[torch.Tensor, torch.Tensor]:
    """Two cars that touch, a tree, and ground."""
    mask, objects = torch.zeros(24, 32, dtype=torch.uint8), torch.zeros(24, 32, dtype=torch.int)
    for number, (window, label) in enumerate(
        ((np.s_[4:12, 3:11], 1), (np.s_[4:12, 11:19], 1), (np.s_[14:23, 20:30], 2)), start=1
    ):
        mask[window], objects[window] = label, number
    return mask, objects


def test_targets_are_high_at_centres_and_lead_to_them() -> None:
    heat, ways, inside = targets(truth_of(*scene()), sigma=2.0)
    assert torch.equal(inside, scene()[1] > 0) and not ways[:, ~inside].any()
    centre = torch.tensor([7.5, 6.5])  # of the first car
    assert torch.equal(torch.tensor([4.0, 3.0]) + ways[:, 4, 3], centre)
    assert heat.max() == 1.0 and (heat == 1.0).sum() >= 3 and heat[0, 31] < 1e-6
    empty = targets(truth_of(torch.zeros(4, 5), torch.zeros(4, 5, dtype=torch.int)), 2.0)
    assert not any(part.any() for part in empty)


def test_who_points_exactly_gets_exactly_the_objects() -> None:
    mask, objects = scene()
    heat, ways, _ = targets(truth_of(mask, objects), sigma=2.0)
    sure = torch.nn.functional.one_hot(mask.long(), 3).permute(2, 0, 1) * 0.7 + 0.1
    found = grouped(sure, heat, ways, [1, 2], window=3, above=0.3)
    assert sorted(found.classes.tolist()) == [1, 1, 2]
    wanted = {tuple(torch.nonzero((objects == n).flatten()).flatten().tolist()) for n in (1, 2, 3)}
    assert {tuple(torch.nonzero(one.flatten()).flatten().tolist()) for one in found.masks} == wanted
    torch.testing.assert_close(found.scores, torch.full((3,), 0.8))
    assert len(grouped(sure, heat * 0, ways, [1, 2], 3, 0.3).scores) == 0  # no centre
    assert len(grouped(sure, heat, ways, [], 3, 0.3).scores) == 0  # no class that has objects


def test_peaks_are_ordered_and_apart() -> None:
    heat = torch.zeros(9, 9)
    heat[1, 1], heat[1, 2], heat[6, 6], heat[8, 0] = 0.8, 0.7, 0.9, 0.2
    assert peaks(heat, 3, 0.3).tolist() == [[6, 6], [1, 1]]


def test_equal_neighbours_are_one_peak() -> None:
    """As interpolation makes them at the edges, and of values that 16 bits do not tell apart; distant ones stay."""
    coarse = torch.zeros(1, 1, 6, 8)
    coarse[0, 0, 0, 2], coarse[0, 0, 5, 0], coarse[0, 0, 3, 4], coarse[0, 0, 3, 5] = 0.9, 0.7, 0.6, 0.6
    heat = torch.nn.functional.interpolate(coarse, size=(24, 32), mode="bilinear", align_corners=False)[0, 0]
    assert (heat == heat.max()).sum() > 1, "else this test would say little"
    assert [[row // 4, column // 4] for row, column in peaks(heat, 3, 0.3).tolist()] == [[0, 2], [5, 0], [3, 4]]
    equal = torch.zeros(5, 9)
    equal[2, 1] = equal[2, 7] = 0.5
    assert peaks(equal, 3, 0.3).tolist() == [[2, 1], [2, 7]]


def test_a_mask_is_interpolated_into_its_box() -> None:
    half = torch.zeros(1, 28, 28)
    half[:, :, :14] = 1.0
    found = pasted(half, torch.tensor([[2.0, 1.0, 10.0, 5.0]]), (8, 12))[0]
    wanted = torch.zeros(8, 12, dtype=torch.bool)
    wanted[1:5, 2:6] = True
    assert torch.equal(found, wanted)
    beyond = pasted(torch.ones(2, 28, 28), torch.tensor([[-4.0, -4.0, 2.0, 2.0], [3.0, 3.0, 3.0, 3.0]]), (4, 4))
    assert beyond[0].sum() == 4 and not beyond[1].any()
