# DeconvNet (Noh, Hong and Han 2015): VGG16 with batch norm, fc6 and fc7, and the mirror of all of it in deconvolutions.
# `small` has a quarter of VGG16's channels, two convolutions in every stage, and 128 channels in fc6 and fc7.
modules = ['vgg', 'unpooling', 'deconvnet']
model = dict(
    type='EncoderDecoder',
    backbone=dict(type='PoolingVGG16', norm=True),
    decode_head=dict(type='DeconvNetHead', num_classes=None),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))

imagenet = dict(
    url='https://download.pytorch.org/models/vgg16_bn-6c64b313.pth',
    sha256='6c64b3138f2f4fcb3bcc4cafde11619c4f440eb1631787e93a682fd88305888a')

small = dict(
    backbone=dict(channels=(16, 32, 64, 128, 128), convolutions=(2, 2, 2, 2, 2)),
    decode_head=dict(widths=(16, 32, 64, 128, 128), convolutions=(2, 2, 2, 2, 2), hidden=128))
