# DeepLabV3+ (Chen et al. 2018) over EfficientNet-Lite1 (deeper than Lite0).
_base_ = ['_base_/deeplabv3plus_lite.py', '_base_/lite1.py']
model = dict(backbone=dict(variant=1))
