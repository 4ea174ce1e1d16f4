# DeepLabV3+ (Chen et al. 2018) over EfficientNet-Lite0 (Tan and Le 2019, without squeeze-and-excitation).
_base_ = ['_base_/deeplabv3plus_lite.py', '_base_/lite0.py']
