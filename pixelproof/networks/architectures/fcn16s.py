# FCN-16s (Long, Shelhamer and Darrell 2015) on VGG16: FCN-32s plus the scores at stride 16. `small` is FCN-32s's.
_base_ = './fcn32s.py'
model = dict(decode_head=dict(in_channels=[512, 512], in_index=[4, 3]))

small = dict(decode_head=dict(in_channels=[128, 128]))
