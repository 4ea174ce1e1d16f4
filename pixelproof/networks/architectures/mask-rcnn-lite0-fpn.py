# Mask R-CNN on EfficientNet-Lite0 (Tan and Le 2019, without squeeze-and-excitation).
_base_ = ['_base_/mask_rcnn.py', '_base_/lite0.py']
model = dict(
    data_preprocessor=dict(type='Normalize', mean=[127.0, 127.0, 127.0], std=[128.0, 128.0, 128.0]),
    backbone=dict(type='EfficientNetLite', variant=0, out_indices=(1, 2, 3, 4)),
    neck=dict(in_channels=[24, 40, 112, 320]))
modules = ['mask_rcnn', 'region_heads', 'rpn', 'efficientnet_lite']
