# SegNet (Badrinarayanan, Kendall and Cipolla 2017): VGG16 with batch norm, mirrored by a decoder that un-pools where the
# encoder pooled. `small` has a quarter of the channels in both, and two convolutions in every stage.
modules = ['vgg', 'unpooling', 'segnet']
model = dict(
    type='EncoderDecoder',
    backbone=dict(type='PoolingVGG16', norm=True),
    decode_head=dict(type='SegNetHead', num_classes=None),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))

small = dict(
    backbone=dict(channels=(16, 32, 64, 128, 128), convolutions=(2, 2, 2, 2, 2)),
    decode_head=dict(widths=(16, 32, 64, 128, 128), convolutions=(2, 2, 2, 2, 2)))
