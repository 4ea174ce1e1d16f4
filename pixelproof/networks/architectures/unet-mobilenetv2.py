# U-Net's decoder (Ronneberger, Fischer, Brox 2015) over MobileNetV2 (Sandler et al. 2018), up to its last bottleneck.
# `small` has half the encoder's channels and a narrower decoder.
_base_ = '_base_/unet_over_classifier.py'
model = dict(
    backbone=dict(type='MobileNetV2', widen_factor=1.0, out_indices=(0, 1, 2, 4, 6), norm_cfg=dict(type='BN')),
    decode_head=dict(in_channels=(16, 24, 32, 96, 320)))
modules = ['unet_decoder']

imagenet = dict(
    url='https://download.pytorch.org/models/mobilenet_v2-b0353104.pth',
    sha256='b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889')

small = dict(backbone=dict(widen_factor=0.5), decode_head=dict(in_channels=(8, 16, 16, 48, 160)))
