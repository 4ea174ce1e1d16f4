# U-Net (Ronneberger, Fischer, Brox 2015) in the paper's layout, padded, with batch norm after each 3x3 convolution.
# `small` has a quarter of the channels.
_base_ = '_base_/unet_paper.py'
model = dict(backbone=dict(norm=True), decode_head=dict(norm_cfg=dict(type='BN')))
