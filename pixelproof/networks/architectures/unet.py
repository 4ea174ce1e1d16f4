# U-Net (Ronneberger et al. 2015) as MMSegmentation builds it: batch norm, bilinear up-sampling, a fully convolutional
# head. `full` has the paper's five levels and 64 channels at full resolution. `small` has four levels and 32 channels,
# and starts at half resolution: several times as fast, so that it sees more images in the same time.
_base_ = 'mmseg::_base_/models/fcn_unet_s5-d16.py'
model = dict(test_cfg=dict(_delete_=True, mode='whole'))

small = dict(
    backbone=dict(
        num_stages=4, base_channels=32, strides=(2, 1, 1, 1), downsamples=(True, True, True),
        enc_num_convs=(2, 2, 2, 2), enc_dilations=(1, 1, 1, 1), dec_num_convs=(2, 2, 2), dec_dilations=(1, 1, 1)),
    decode_head=dict(in_index=3, in_channels=32, channels=32),
    auxiliary_head=dict(in_index=2, in_channels=64, channels=32))
