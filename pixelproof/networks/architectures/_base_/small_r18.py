# A quarter of a ResNet-18's channels, with heads to match: the `small` scale of every `*-r18`.
small = dict(
    backbone=dict(stem_channels=16, base_channels=16),
    decode_head=dict(in_channels=128, channels=64),
    auxiliary_head=dict(in_channels=64, channels=32))

# For the full scale. The publisher states only the first digits of the digest, in the file name.
imagenet = dict(
    url='https://mmassets.onedl.ai/pretrain/third_party/resnet18_v1c-b5776b93.pth',
    sha256='b5776b93')
