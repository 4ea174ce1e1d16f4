# PSPNet (Zhao et al. 2017) on a dilated ResNet-18. `small` has a quarter of the backbone's channels.
_base_ = 'mmseg::_base_/models/pspnet_r50-d8.py'
model = dict(
    backbone=dict(depth=18),
    decode_head=dict(in_channels=512, channels=128),
    auxiliary_head=dict(in_channels=256, channels=64))

small = dict(
    backbone=dict(stem_channels=16, base_channels=16),
    decode_head=dict(in_channels=128, channels=64),
    auxiliary_head=dict(in_channels=64, channels=32))
