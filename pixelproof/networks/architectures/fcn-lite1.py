# FCN-8s (Long, Shelhamer and Darrell 2015) over EfficientNet-Lite1 (deeper than Lite0).
_base_ = ['_base_/fcn_lite.py', '_base_/lite1.py']
model = dict(backbone=dict(variant=1))
