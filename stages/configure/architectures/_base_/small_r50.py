# A quarter of a ResNet-50's channels, with heads to match: what `train.scale: small` trains of every `*-r50`.
small = dict(
    backbone=dict(stem_channels=16, base_channels=16),
    decode_head=dict(in_channels=512, channels=64),
    auxiliary_head=dict(in_channels=256, channels=32))
