# U-Net's decoder (Ronneberger, Fischer, Brox 2015) over VGG16 (Simonyan and Zisserman 2015), without normalisation.
# `small` has a quarter of the channels.
_base_ = '_base_/unet_paper.py'
model = dict(
    backbone=dict(channels=(64, 128, 256, 512, 512), convolutions=(2, 2, 3, 3, 3)),
    decode_head=dict(in_channels=(64, 128, 256, 512, 512)))

small = dict(
    backbone=dict(channels=(16, 32, 64, 128, 128)),
    decode_head=dict(in_channels=(16, 32, 64, 128, 128)))
