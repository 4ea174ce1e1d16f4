# U-Net's decoder (Ronneberger, Fischer, Brox 2015) over ResNet-18 (He et al. 2016).
# `small` has a quarter of the encoder's channels and a narrower decoder.
_base_ = '_base_/unet_over_classifier.py'
model = dict(
    backbone=dict(type='StemResNet', depth=18, stem_channels=64, base_channels=64),
    decode_head=dict(in_channels=(64, 64, 128, 256, 512)))
modules = ['stem_resnet', 'unet_decoder']

imagenet = dict(
    url='https://download.pytorch.org/models/resnet18-f37072fd.pth',
    sha256='f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec')

small = dict(
    backbone=dict(stem_channels=16, base_channels=16),
    decode_head=dict(in_channels=(16, 16, 32, 64, 128)))
