# Mask R-CNN (He et al. 2017) over a feature pyramid (Lin et al. 2017), with the semantic branch of Panoptic FPN (Kirillov
# et al. 2019). `small` is a quarter as wide, for objects a quarter as large: anchors from 8 to 128 pixels.
model = dict(
    type='MaskRCNN',
    neck=dict(type='FPN', out_channels=256, num_outs=5),
    decode_head=dict(
        type='FPNHead', in_channels=[256, 256, 256, 256], in_index=[0, 1, 2, 3], feature_strides=[4, 8, 16, 32],
        channels=128, dropout_ratio=0.0, num_classes=None, norm_cfg=dict(type='BN', requires_grad=True),
        align_corners=False, loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0)),
    proposals=dict(type='RegionProposals', in_channels=256, scale=8.0),
    box_head=dict(type='BoxHead', num_classes=None, in_channels=256, channels=1024),
    mask_head=dict(type='MaskHead', num_classes=None, in_channels=256, channels=256),
    finest=56.0,
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
modules = ['mask_rcnn', 'region_heads', 'rpn']
task = 'instance'

small = dict(
    neck=dict(out_channels=64),
    decode_head=dict(in_channels=[64, 64, 64, 64], channels=32),
    proposals=dict(in_channels=64, scale=2.0, kept=(100, 100), sample=64),
    box_head=dict(in_channels=64, channels=128, sample=64),
    mask_head=dict(in_channels=64, channels=64, layers=2),
    finest=14.0)
