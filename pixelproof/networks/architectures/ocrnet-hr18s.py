# OCRNet (Yuan et al. 2020) on HRNetV2-W18-Small (Sun et al. 2019).
# `small` has one module and one block at each stage, and narrower heads.
_base_ = ['mmseg::ocrnet/ocrnet_hr18s_4xb2-80k_cityscapes-512x1024.py', '_base_/small_ocr.py']

# The publisher states only the first digits of the digest, in the file name.
imagenet = dict(
    url='https://mmassets.onedl.ai/pretrain/third_party/hrnetv2_w18_small-b5a04e21.pth',
    sha256='b5a04e21')
