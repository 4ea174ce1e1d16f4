# Panoptic-DeepLab on a ResNet-50 whose last stage is dilated.
_base_ = './panoptic-deeplab-r18.py'
model = dict(backbone=dict(depth=50), decode_head=dict(in_channels=[256, 512, 2048]))

small = dict(decode_head=dict(in_channels=[64, 128, 512]))
