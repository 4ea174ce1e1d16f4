# U-Net's decoder (Ronneberger, Fischer, Brox 2015) over ResNet-34 (He et al. 2016).
# `small` has a quarter of the encoder's channels and a narrower decoder.
_base_ = './unet-r18.py'
model = dict(backbone=dict(depth=34))

imagenet = dict(
    url='https://download.pytorch.org/models/resnet34-b627a593.pth',
    sha256='b627a593bcbe140c234610266fe4f8ae95ea42fc881d091c9b6052e6b1d0590f')
