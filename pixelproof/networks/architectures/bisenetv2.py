# BiSeNetV2 (Yu et al. 2021) with its four auxiliary heads.
# `small` has half the channels and narrower heads. Heads in a list are named by their position.
_base_ = 'mmseg::_base_/models/bisenetv2.py'
small = dict(
    backbone=dict(detail_channels=(32, 32, 64), semantic_channels=(8, 16, 32, 64), bga_channels=64),
    decode_head=dict(in_channels=64, channels=128),
    auxiliary_head={
        '0': dict(in_channels=8, channels=16),
        '1': dict(in_channels=16, channels=16),
        '2': dict(in_channels=32, channels=32),
        '3': dict(in_channels=64, channels=64)})
