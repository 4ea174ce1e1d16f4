# U-Net's decoder over EfficientNet-Lite, which expects its pixels around 0, between -1 and 1.
# `small` has a narrower decoder. The encoder has its published width at either scale, as its ImageNet weights do.
_base_ = './unet_over_classifier.py'
model = dict(
    data_preprocessor=dict(type='Normalize', mean=[127.0, 127.0, 127.0], std=[128.0, 128.0, 128.0]),
    backbone=dict(type='EfficientNetLite', variant=0),
    decode_head=dict(in_channels=(16, 24, 40, 112, 320)))
modules = ['efficientnet_lite', 'unet_decoder']
