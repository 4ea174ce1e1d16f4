# A quarter of a ResNet-50's channels, with heads to match: the `small` scale of every `*-r50`.
small = dict(
    backbone=dict(stem_channels=16, base_channels=16),
    decode_head=dict(in_channels=512, channels=64),
    auxiliary_head=dict(in_channels=256, channels=32))

# For the full scale. The publisher states only the first digits of the digest, in the file name.
imagenet = dict(
    url='https://mmassets.onedl.ai/pretrain/third_party/resnet50_v1c-2cccc1ad.pth',
    sha256='2cccc1ad')
