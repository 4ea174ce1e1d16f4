# U-Net's decoder (Ronneberger, Fischer, Brox 2015) over VGG16 (Simonyan and Zisserman 2015), with batch norm.
# `small` has a quarter of the channels.
_base_ = './unet-vgg16.py'
model = dict(backbone=dict(norm=True), decode_head=dict(norm_cfg=dict(type='BN')))
