# U-Net's decoder over an image classifier, whose first feature map already has half the image's size: the last
# up-sampling has no skip. The widths and the up-sampling without weights follow the library segmentation_models
# (Yakubovskiy 2019), which up-samples by nearest neighbour; here it is bilinear.
model = dict(
    type='EncoderDecoder',
    decode_head=dict(
        type='UNetHead', widths=(256, 128, 64, 32, 16), upsample='bilinear', norm_cfg=dict(type='BN'), skips='concatenate', dropout=0.0,
        num_classes=2),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))

small = dict(decode_head=dict(widths=(64, 32, 32, 16, 16)))
