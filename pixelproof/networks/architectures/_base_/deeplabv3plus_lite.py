# DeepLabV3+'s decoder over EfficientNet-Lite with output stride 16, and its feature map of stride 4.
# `small` has a quarter of the decoder's channels, and atrous rates that fit an 8x8 feature map; the encoder has its
# published width at either scale, as its ImageNet weights do.
_base_ = 'mmseg::_base_/models/deeplabv3plus_r50-d8.py'
modules = ['efficientnet_lite']
model = dict(
    data_preprocessor=dict(_delete_=True, type='Normalize', mean=[127.0, 127.0, 127.0], std=[128.0, 128.0, 128.0]),
    backbone=dict(_delete_=True, type='EfficientNetLite', variant=0, output_stride=16, out_indices=(1, 4)),
    decode_head=dict(
        in_channels=320, in_index=1, channels=256, c1_in_channels=24, c1_channels=48, dilations=(1, 6, 12, 18)),
    auxiliary_head=None)

small = dict(decode_head=dict(channels=64, c1_channels=12, dilations=(1, 2, 4, 6)))
