# FCN-8s' skips over EfficientNet-Lite: scores at stride 32, refined by those at 16 and 8. fc6 and fc7 have fewer channels
# than over VGG16. `small` has an eighth of them, and less dropout; the encoder has its published width at either scale,
# as its ImageNet weights do.
modules = ['efficientnet_lite', 'fcn_skip']
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='Normalize', mean=[127.0, 127.0, 127.0], std=[128.0, 128.0, 128.0]),
    backbone=dict(type='EfficientNetLite', variant=0, out_indices=(2, 3, 4)),
    decode_head=dict(
        type='FCNSkipHead', in_channels=[320, 112, 40], in_index=[2, 1, 0], channels=512, dropout_ratio=0.5,
        num_classes=None),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))

small = dict(decode_head=dict(channels=64, dropout_ratio=0.1))
