# PSPNet (Zhao et al. 2017) on a dilated ResNet-18.
_base_ = ['mmseg::_base_/models/pspnet_r50-d8.py', '_base_/small_r18.py']
model = dict(
    backbone=dict(depth=18),
    decode_head=dict(in_channels=512, channels=128),
    auxiliary_head=dict(in_channels=256, channels=64))
