# SegFormer-B0 (Xie et al. 2021).
# `small` has half the channels and one layer in each stage.
_base_ = 'mmseg::_base_/models/segformer_mit-b0.py'

# The publisher states only the first digits of the digest, in the file name.
imagenet = dict(
    url='https://mmassets.onedl.ai/mmsegmentation/v0.5/pretrain/segformer/mit_b0_20220624-7e0fe6dd.pth',
    sha256='7e0fe6dd')

small = dict(
    backbone=dict(embed_dims=16, num_layers=[1, 1, 1, 1]),
    decode_head=dict(in_channels=[16, 32, 80, 128], channels=64))
