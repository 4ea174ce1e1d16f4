# DeepLabV3+ (Chen et al. 2018) over EfficientNet-Lite2 (deeper and wider than Lite0).
_base_ = ['_base_/deeplabv3plus_lite.py', '_base_/lite2.py']
model = dict(backbone=dict(variant=2), decode_head=dict(in_channels=352))
