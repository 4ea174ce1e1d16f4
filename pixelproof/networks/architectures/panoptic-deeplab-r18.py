# Panoptic-DeepLab (Cheng et al. 2020) on a ResNet-18 whose last stage is dilated. `small` is a quarter as wide, with
# rates that fit an 8x8 map and centres for objects of a few pixels.
model = dict(
    type='PanopticDeepLab',
    backbone=dict(
        type='ResNetV1c', depth=18, num_stages=4, out_indices=(0, 1, 2, 3), strides=(1, 2, 2, 1),
        dilations=(1, 1, 1, 2), norm_cfg=dict(type='BN', requires_grad=True), style='pytorch', contract_dilation=True),
    decode_head=dict(
        type='PanopticHead', in_channels=[64, 128, 512], in_index=[0, 1, 3], channels=256, dropout_ratio=0.0,
        num_classes=None, norm_cfg=dict(type='BN', requires_grad=True), align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0)),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
modules = ['panoptic_deeplab']
task = 'panoptic'

small = dict(
    backbone=dict(stem_channels=16, base_channels=16),
    decode_head=dict(
        in_channels=[16, 32, 128], channels=64, objects=32, hidden=16, skips=((16, 32), (8, 16)), rates=(1, 2, 4),
        sigma=4.0, window=5))
