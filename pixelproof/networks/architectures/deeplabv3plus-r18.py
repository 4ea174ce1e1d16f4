# DeepLabV3+ (Chen et al. 2018) on a dilated ResNet-18. `small` has atrous rates that fit a 16x16 feature map.
_base_ = ['mmseg::_base_/models/deeplabv3plus_r50-d8.py', '_base_/small_r18.py']
model = dict(
    backbone=dict(depth=18),
    decode_head=dict(in_channels=512, channels=128, c1_in_channels=64, c1_channels=12),
    auxiliary_head=dict(in_channels=256, channels=64))

small = dict(decode_head=dict(c1_in_channels=16, dilations=(1, 3, 6, 9)))
