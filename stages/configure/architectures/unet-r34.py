# U-Net's decoder (Ronneberger, Fischer, Brox 2015) over ResNet-34 (He et al. 2016).
# `small` has a quarter of the encoder's channels and a narrower decoder.
_base_ = './unet-r18.py'
model = dict(backbone=dict(depth=34))
