# SegNet-Basic (Badrinarayanan, Kendall and Cipolla 2017): four stages of one 7x7 convolution, 64 channels, mirrored.
# `small` has 16 channels.
modules = ['vgg', 'unpooling', 'segnet']
model = dict(
    type='EncoderDecoder',
    backbone=dict(type='SegNetBasicEncoder'),
    decode_head=dict(type='SegNetBasicHead', num_classes=None),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))

small = dict(backbone=dict(width=16), decode_head=dict(width=16))
