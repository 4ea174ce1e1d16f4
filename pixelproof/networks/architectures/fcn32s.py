# FCN-32s (Long, Shelhamer and Darrell 2015) on VGG16: the scores at stride 32 alone. `small` has a quarter of VGG16's
# channels, batch norm (it starts without pretrained weights), a 16th of the channels of fc6 and fc7, and less dropout.
modules = ['vgg', 'fcn_skip']
model = dict(
    type='EncoderDecoder',
    backbone=dict(type='VGG16', pooled=True),
    decode_head=dict(
        type='FCNSkipHead', in_channels=[512], in_index=[4], channels=4096, dropout_ratio=0.5, num_classes=None),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))

imagenet = dict(
    url='https://download.pytorch.org/models/vgg16-397923af.pth',
    sha256='397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0')

small = dict(
    backbone=dict(channels=(16, 32, 64, 128, 128), norm=True),
    decode_head=dict(in_channels=[128], channels=256, dropout_ratio=0.1))
