# PIDNet-S (Xu et al. 2023): the boundaries that its third branch learns are computed from the masks during training.
# `small` has half the channels.
_base_ = 'mmseg::pidnet/pidnet-s_2xb6-120k_1024x1024-cityscapes.py'
modules = ['hard_pixels', 'pidnet']
model = dict(decode_head=dict(
    type='BoundaryPIDHead',
    loss_decode=[
        dict(type='CrossEntropyLoss', loss_weight=0.4),
        dict(type='HardPixelCrossEntropy', threshold=0.9, least=1 / 48, loss_weight=1.0),
        dict(type='BoundaryLoss', loss_weight=20.0),
        dict(type='HardPixelCrossEntropy', threshold=0.9, least=1 / 48, loss_weight=1.0)]))

# The publisher states only the first digits of the digest, in the file name.
imagenet = dict(
    url='https://mmassets.onedl.ai/mmsegmentation/v0.5/pretrain/pidnet/pidnet-s_imagenet1k_20230306-715e6273.pth',
    sha256='715e6273')

small = dict(
    backbone=dict(channels=16, ppm_channels=48),
    decode_head=dict(in_channels=64, channels=64))
