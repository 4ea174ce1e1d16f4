"""ResNet (He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR 2016) that returns its stem too.

MMSegmentation's ResNet returns the feature maps of its four stages (strides 4 to 32); a U-Net also needs stride 2.
"""

from __future__ import annotations

from mmseg.models.backbones import ResNet
from mmseg.registry import MODELS
from torch import Tensor


@MODELS.register_module()
class StemResNet(ResNet):  # type: ignore[misc]
    """The same network with the same weight names, and five feature maps: strides 2 to 32."""

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """The stem's feature map before max pooling, then that of each stage."""
        features: list[Tensor] = [self.relu(self.norm1(self.conv1(image)))]
        x = self.maxpool(features[0])
        for name in self.res_layers:
            x = getattr(self, name)(x)
            features.append(x)
        return tuple(features)
