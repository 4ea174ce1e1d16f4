# OCRNet (Yuan et al. 2020) on HRNetV2-W48 (Sun et al. 2019).
# `small` has one module and one block at each stage, half the width, and narrower heads.
_base_ = ['mmseg::ocrnet/ocrnet_hr48_4xb2-80k_cityscapes-512x1024.py', '_base_/small_ocr.py']

# The publisher states only the first digits of the digest, in the file name.
imagenet = dict(
    url='https://mmassets.onedl.ai/pretrain/third_party/hrnetv2_w48-d2186c55.pth',
    sha256='d2186c55')

small = dict(
    backbone=dict(extra=dict(
        stage2=dict(num_channels=(24, 48)),
        stage3=dict(num_channels=(24, 48, 96)),
        stage4=dict(num_channels=(24, 48, 96, 192)))),
    decode_head={
        '0': dict(in_channels=[24, 48, 96, 192]),
        '1': dict(in_channels=[24, 48, 96, 192])})
