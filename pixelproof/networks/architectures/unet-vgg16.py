# U-Net's decoder (Ronneberger, Fischer, Brox 2015) over VGG16 (Simonyan and Zisserman 2015), without normalisation.
# `small` has a quarter of the channels.
_base_ = '_base_/unet_paper.py'
model = dict(
    backbone=dict(channels=(64, 128, 256, 512, 512), convolutions=(2, 2, 3, 3, 3)),
    decode_head=dict(in_channels=(64, 128, 256, 512, 512)))

imagenet = dict(
    url='https://download.pytorch.org/models/vgg16-397923af.pth',
    sha256='397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0')

small = dict(
    backbone=dict(channels=(16, 32, 64, 128, 128)),
    decode_head=dict(in_channels=(16, 32, 64, 128, 128)))
