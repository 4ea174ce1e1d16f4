# An HRNet with one module and one block everywhere: the `small` scale of every OCR network.
# Heads in a list are named by their position.
small = dict(
    backbone=dict(extra=dict(
        stage1=dict(num_blocks=(1,), num_channels=(16,)),
        stage2=dict(num_blocks=(1, 1), num_channels=(16, 32)),
        stage3=dict(num_modules=1, num_blocks=(1, 1, 1), num_channels=(16, 32, 64)),
        stage4=dict(num_modules=1, num_blocks=(1, 1, 1, 1), num_channels=(16, 32, 64, 128)))),
    decode_head={
        '0': dict(in_channels=[16, 32, 64, 128], channels=64),
        '1': dict(in_channels=[16, 32, 64, 128], channels=32, ocr_channels=16)})
