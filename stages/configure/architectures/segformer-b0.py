# SegFormer-B0 (Xie et al. 2021).
# `small` has half the channels and one layer in each stage.
_base_ = 'mmseg::_base_/models/segformer_mit-b0.py'
small = dict(
    backbone=dict(embed_dims=16, num_layers=[1, 1, 1, 1]),
    decode_head=dict(in_channels=[16, 32, 80, 128], channels=64))
