# PSPNet (Zhao et al. 2017) on a dilated ResNet-50 with output stride 8.
# `small` has a quarter of the channels.
_base_ = ['mmseg::_base_/models/pspnet_r50-d8.py', '_base_/small_r50.py']
