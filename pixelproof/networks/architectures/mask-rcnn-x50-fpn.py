# Mask R-CNN on a ResNeXt-50 32x4d (Xie et al. 2017). `small` has 8 groups in place of 32.
_base_ = '_base_/mask_rcnn.py'
model = dict(
    backbone=dict(
        type='ResNeXt', depth=50, groups=32, base_width=4, num_stages=4, out_indices=(0, 1, 2, 3), strides=(1, 2, 2, 2),
        dilations=(1, 1, 1, 1), norm_cfg=dict(type='BN', requires_grad=True), style='pytorch'),
    neck=dict(in_channels=[256, 512, 1024, 2048]))

small = dict(
    backbone=dict(stem_channels=16, base_channels=16, groups=8), neck=dict(in_channels=[64, 128, 256, 512]))
