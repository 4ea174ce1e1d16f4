# Mask R-CNN on a ResNet-50 (He et al. 2016).
_base_ = '_base_/mask_rcnn.py'
model = dict(
    backbone=dict(
        type='ResNetV1c', depth=50, num_stages=4, out_indices=(0, 1, 2, 3), strides=(1, 2, 2, 2),
        dilations=(1, 1, 1, 1), norm_cfg=dict(type='BN', requires_grad=True), style='pytorch', contract_dilation=True),
    neck=dict(in_channels=[256, 512, 1024, 2048]))

small = dict(backbone=dict(stem_channels=16, base_channels=16), neck=dict(in_channels=[64, 128, 256, 512]))
