# SegNet (Badrinarayanan, Kendall and Cipolla 2017): VGG16 with batch norm, mirrored by a decoder that un-pools to where
# the encoder's maxima were.
_base_ = '_base_/mirrored_vgg16.py'
modules = ['vgg', 'unpooling', 'segnet']
model = dict(decode_head=dict(type='SegNetHead'))
