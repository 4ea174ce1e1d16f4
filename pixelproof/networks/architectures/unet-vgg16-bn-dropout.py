# U-Net's decoder (Ronneberger, Fischer, Brox 2015) over VGG16 (Simonyan and Zisserman 2015), with batch norm, and with
# U-Net's dropout at the end of the contracting path. `small` has a quarter of the channels.
_base_ = './unet-vgg16-bn.py'
model = dict(decode_head=dict(dropout=0.5))
