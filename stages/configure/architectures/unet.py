# U-Net (Ronneberger et al. 2015) as MMSegmentation builds it: batch norm, bilinear up-sampling, a fully convolutional
# head. `full` has the paper's 64 channels at the first level; `small` has 16.
_base_ = 'mmseg::_base_/models/fcn_unet_s5-d16.py'
model = dict(test_cfg=dict(_delete_=True, mode='whole'))

small = dict(
    backbone=dict(base_channels=16),
    decode_head=dict(in_channels=16, channels=16),
    auxiliary_head=dict(in_channels=32, channels=16))
