# Mask R-CNN on a ResNet-50 (He et al. 2016).
_base_ = './mask-rcnn-r18-fpn.py'
model = dict(backbone=dict(depth=50), neck=dict(in_channels=[256, 512, 1024, 2048]))

small = dict(neck=dict(in_channels=[64, 128, 256, 512]))
