# DeepLabV3+ (Chen et al. 2018) on a dilated ResNet-50 with output stride 8.
# `small` has a quarter of the channels, and atrous rates that fit a 16x16 feature map.
_base_ = ['mmseg::_base_/models/deeplabv3plus_r50-d8.py', '_base_/small_r50.py']
small = dict(decode_head=dict(c1_in_channels=64, c1_channels=12, dilations=(1, 3, 6, 9)))
