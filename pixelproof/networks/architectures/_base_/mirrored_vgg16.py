# VGG16 with batch norm (Simonyan and Zisserman 2015), which passes its max-pooling indices to a mirrored decoder.
# `small` has a quarter of the channels in both, and two convolutions per stage.
model = dict(
    type='EncoderDecoder',
    backbone=dict(type='PoolingVGG16', norm=True),
    decode_head=dict(num_classes=None),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))

imagenet = dict(
    url='https://download.pytorch.org/models/vgg16_bn-6c64b313.pth',
    sha256='6c64b3138f2f4fcb3bcc4cafde11619c4f440eb1631787e93a682fd88305888a')

small = dict(
    backbone=dict(channels=(16, 32, 64, 128, 128), convolutions=(2, 2, 2, 2, 2)),
    decode_head=dict(widths=(16, 32, 64, 128, 128), convolutions=(2, 2, 2, 2, 2)))
