# U-Net (Ronneberger et al. 2015) as MMSegmentation builds it: batch norm, bilinear up-sampling, a fully convolutional
# head. `full` has the paper's 64 channels at full resolution; `small` has 32 and begins at half of it, which is four
# times as fast and so sees more images in the same time.
_base_ = 'mmseg::_base_/models/fcn_unet_s5-d16.py'
model = dict(test_cfg=dict(_delete_=True, mode='whole'))

small = dict(
    backbone=dict(base_channels=32, strides=(2, 1, 1, 1, 1)),
    decode_head=dict(in_channels=32, channels=32),
    auxiliary_head=dict(in_channels=64, channels=32))
