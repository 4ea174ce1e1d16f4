# U-Net's decoder (Ronneberger, Fischer, Brox 2015) over VGG16 (Simonyan and Zisserman 2015), with batch norm.
# `small` has a quarter of the channels.
_base_ = './unet-vgg16.py'
model = dict(backbone=dict(norm=True), decode_head=dict(norm_cfg=dict(type='BN')))

imagenet = dict(
    url='https://download.pytorch.org/models/vgg16_bn-6c64b313.pth',
    sha256='6c64b3138f2f4fcb3bcc4cafde11619c4f440eb1631787e93a682fd88305888a')
