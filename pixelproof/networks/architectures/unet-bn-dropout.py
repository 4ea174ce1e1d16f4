# U-Net (Ronneberger, Fischer, Brox 2015), padded, with batch norm, and with the paper's dropout at the end of the
# contracting path (0.5, as in the authors' network). `small` has a quarter of the channels.
_base_ = './unet-bn.py'
model = dict(decode_head=dict(dropout=0.5))
