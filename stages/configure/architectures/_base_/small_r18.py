# A quarter of a ResNet-18's channels, with heads to match: what `train.scale: small` trains of every `*-r18`.
small = dict(
    backbone=dict(stem_channels=16, base_channels=16),
    decode_head=dict(in_channels=128, channels=64),
    auxiliary_head=dict(in_channels=64, channels=32))
