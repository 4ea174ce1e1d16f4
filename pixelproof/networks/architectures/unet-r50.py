# U-Net's decoder (Ronneberger, Fischer, Brox 2015) over ResNet-50 (He et al. 2016).
# `small` has a quarter of the encoder's channels and a narrower decoder.
_base_ = './unet-r18.py'
model = dict(backbone=dict(depth=50), decode_head=dict(in_channels=(64, 256, 512, 1024, 2048)))

imagenet = dict(
    url='https://download.pytorch.org/models/resnet50-0676ba61.pth',
    sha256='0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a')

small = dict(decode_head=dict(in_channels=(16, 64, 128, 256, 512)))
