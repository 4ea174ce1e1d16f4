# DeconvNet (Noh, Hong and Han 2015): VGG16 with batch norm, fc6 and fc7, and all of it mirrored in deconvolutions.
# `small` has 128 channels in fc6 and fc7.
_base_ = '_base_/mirrored_vgg16.py'
modules = ['vgg', 'unpooling', 'deconvnet']
model = dict(decode_head=dict(type='DeconvNetHead'))

small = dict(decode_head=dict(hidden=128))
