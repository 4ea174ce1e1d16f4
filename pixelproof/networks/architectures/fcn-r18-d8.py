# FCN (Long et al. 2015) on a dilated ResNet-18 with output stride 8.
_base_ = ['mmseg::_base_/models/fcn_r50-d8.py', '_base_/small_r18.py']
model = dict(
    backbone=dict(depth=18),
    decode_head=dict(in_channels=512, channels=128),
    auxiliary_head=dict(in_channels=256, channels=64))
