# U-Net as in its paper (Ronneberger et al. 2015), but padded: five levels of two 3x3 convolutions, 64 to 1024
# channels, up-convolutions, no normalisation. The contracting path is built from VGG16's stages with these numbers.
# An up-convolution has as many output channels as the skip that it is concatenated with.
model = dict(
    type='EncoderDecoder',
    backbone=dict(
        type='VGG16', channels=(64, 128, 256, 512, 1024), convolutions=(2, 2, 2, 2, 2), norm=False),
    decode_head=dict(
        type='UNetHead', in_channels=(64, 128, 256, 512, 1024), widths=(512, 256, 128, 64), upsample='transposed',
        skips='concatenate', dropout=0.0, num_classes=2),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
modules = ['vgg', 'unet_decoder']

small = dict(
    backbone=dict(channels=(16, 32, 64, 128, 256)),
    decode_head=dict(in_channels=(16, 32, 64, 128, 256), widths=(128, 64, 32, 16)))
