# DDRNet-23-slim (Pan et al. 2022): its loss keeps the hard pixels, at least 1 in 48 (131072 of 6 images of 1024x1024).
# `small` has half the channels.
_base_ = 'mmseg::ddrnet/ddrnet_23-slim_in1k-pre_2xb6-120k_cityscapes-1024x1024.py'
modules = ['hard_pixels']
model = dict(decode_head=dict(loss_decode=[
    dict(type='HardPixelCrossEntropy', threshold=0.9, least=1 / 48, loss_weight=1.0),
    dict(type='HardPixelCrossEntropy', threshold=0.9, least=1 / 48, loss_weight=0.4)]))

# The publisher states only the first digits of the digest, in the file name.
imagenet = dict(
    url='https://mmassets.onedl.ai/mmsegmentation/v0.5/ddrnet/pretrain/ddrnet23s-in1kpre_3rdparty-1ccac5b1.pth',
    sha256='1ccac5b1')

small = dict(
    backbone=dict(channels=16, ppm_channels=64),
    decode_head=dict(in_channels=64, channels=32))
