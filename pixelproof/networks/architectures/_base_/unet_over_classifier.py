# U-Net's decoder over a network made to classify images, whose first level has half the image's size already: the last
# doubling has no skip. Widths and up-sampling without weights are those of the library segmentation_models (Yakubovskiy
# 2019), which up-samples by the nearest pixel; this is bilinear.
model = dict(
    type='EncoderDecoder',
    decode_head=dict(
        type='UNetHead', widths=(256, 128, 64, 32, 16), upsample='bilinear', norm_cfg=dict(type='BN'), dropout=0.0,
        num_classes=2),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))

small = dict(decode_head=dict(widths=(64, 32, 32, 16, 16)))
