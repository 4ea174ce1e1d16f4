# FCN-8s (Long, Shelhamer and Darrell 2015) over EfficientNet-Lite0 (Tan and Le 2019, without squeeze-and-excitation).
_base_ = ['_base_/fcn_lite.py', '_base_/lite0.py']
