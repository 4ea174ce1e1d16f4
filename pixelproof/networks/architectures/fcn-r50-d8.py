# FCN (Long et al. 2015) on a dilated ResNet-50 (He et al. 2016) with output stride 8.
# `small` has a quarter of the channels.
_base_ = ['mmseg::_base_/models/fcn_r50-d8.py', '_base_/small_r50.py']
