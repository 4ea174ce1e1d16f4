# DeepLabV3+ (Chen et al. 2018) as in the paper: modified aligned Xception-65, output stride 16, no auxiliary head.
# `small` has a quarter of the channels, 4 of the 16 middle blocks, and atrous rates that fit an 8x8 feature map.
_base_ = 'mmseg::_base_/models/deeplabv3plus_r50-d8.py'
modules = ['xception']
model = dict(
    backbone=dict(_delete_=True, type='Xception65', output_stride=16),
    decode_head=dict(
        in_channels=2048, in_index=1, channels=256, c1_in_channels=256, c1_channels=48, dilations=(1, 6, 12, 18)),
    auxiliary_head=None)

small = dict(
    backbone=dict(channels=(8, 16, 32, 64, 184, 256, 384, 512), middle_blocks=4),
    decode_head=dict(in_channels=512, channels=64, c1_in_channels=64, c1_channels=12, dilations=(1, 2, 4, 6)))
