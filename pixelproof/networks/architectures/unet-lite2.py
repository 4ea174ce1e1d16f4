# U-Net's decoder (Ronneberger, Fischer, Brox 2015) over EfficientNet-Lite2 (deeper and wider than Lite0).
_base_ = ['_base_/unet_lite.py', '_base_/lite2.py']
model = dict(backbone=dict(variant=2), decode_head=dict(in_channels=(16, 24, 48, 120, 352)))
