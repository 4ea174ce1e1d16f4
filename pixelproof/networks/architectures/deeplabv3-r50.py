# DeepLabV3 (Chen et al. 2017) on a dilated ResNet-50 with output stride 8.
# `small` has a quarter of the channels, and atrous rates that fit a 16x16 feature map.
_base_ = ['mmseg::_base_/models/deeplabv3_r50-d8.py', '_base_/small_r50.py']
small = dict(decode_head=dict(dilations=(1, 3, 6, 9)))
