"""Cross-entropy over the hard pixels only, as in DDRNet and PIDNet (Shrivastava et al., "Training Region-based Object
Detectors with Online Hard Example Mining", CVPR 2016).
"""

from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional

from pixelproof.data.dataset import IGNORE
from pixelproof.nn.distributed import processes, total
from pixelproof.nn.losses import hardest


@MODELS.register_module()
class HardPixelCrossEntropy(nn.Module):
    """The mean loss of hard pixels: those whose true class has a probability of at most `threshold`.

    At least the share `least` of the pixels is kept, least certain first. MMSegmentation's `OhemCrossEntropy` keeps at
    least a fixed number of pixels instead, which is all of them in small images, and is NaN if no pixel is below the
    threshold. This one always keeps at least one pixel. If several processes share a batch, its pixels are ranked
    across all of them.
    """

    def __init__(
        self,
        threshold: float,
        least: float,
        loss_weight: float = 1.0,
        class_weight: list[float] | None = None,
        loss_name: str = "loss_hard",
    ) -> None:
        super().__init__()
        self.threshold, self.least, self.loss_weight = threshold, least, loss_weight
        self.class_weight, self.loss_name = class_weight, loss_name

    def forward(self, score: Tensor, target: Tensor, **_: object) -> Tensor:
        """The loss of logits (N, C, H, W) against class ids (N, H, W)."""
        weight = None if self.class_weight is None else score.new_tensor(self.class_weight)
        losses = functional.cross_entropy(score, target, weight, ignore_index=IGNORE, reduction="none")
        hard = hardest(score, target, self.threshold, self.least, IGNORE)
        return self.loss_weight * (processes() * losses.where(hard, 0).sum()) / total(hard.sum()).clamp(min=1)
