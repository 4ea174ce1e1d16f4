"""ResNet with its last block repeated, as in section 3.2 of Chen, Papandreou, Schroff and Adam, "Rethinking Atrous
Convolution for Semantic Image Segmentation" (DeepLabv3), 2017.

The paper's copies of the last block (block4 there, `layer4` here) stand one after another, each with twice the rate of
the one before; without rates, each would halve the resolution. The rates of a block's 3x3 convolutions are its own
times the paper's `Multi_Grid`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmseg.models.backbones import ResNetV1c
from mmseg.models.backbones.resnet import BasicBlock
from mmseg.registry import MODELS


@MODELS.register_module()
class CascadedResNet(ResNetV1c):  # type: ignore[misc]
    """Returns the feature map of the last copy alone. Weights have ResNet's names, those of the copies go on counting.

    Args:
        depth: Of the ResNet.
        dilations: The rates of its four blocks.
        cascade: The rates of the copies.
        unit_rates: `Multi_Grid`, for the last block and its copies: a factor for each of their units.
        resnet: The ResNet's other settings.
    """

    def __init__(
        self, depth: int, dilations: Sequence[int], cascade: Sequence[int], unit_rates: Sequence[int], **resnet: Any
    ) -> None:
        units = self.arch_settings[depth][1][-1]
        if len(unit_rates) != units:
            raise ValueError(f"unit_rates: the last block of a ResNet-{depth} has {units} units, not {len(unit_rates)}")
        grids = [[rate * factor for factor in unit_rates] for rate in (dilations[-1], *cascade)]
        super().__init__(depth=depth, dilations=dilations, multi_grid=grids[0], out_indices=(3,), **resnet)
        last = "norm2" if self.block is BasicBlock else "norm3"
        for grid in grids[1:]:
            copy = self.make_res_layer(
                block=self.block,
                inplanes=self.inplanes,
                planes=self.base_channels * 8,
                num_blocks=units,
                style=self.style,
                avg_down=self.avg_down,
                with_cp=self.with_cp,
                conv_cfg=self.conv_cfg,
                norm_cfg=self.norm_cfg,
                multi_grid=grid,
                init_cfg={"type": "Constant", "val": 0, "override": {"name": last}},  # as in the ResNet's own blocks
            )
            name = f"layer{len(self.res_layers) + 1}"
            self.add_module(name, copy)
            self.res_layers.append(name)
        self.out_indices = (len(self.res_layers) - 1,)
