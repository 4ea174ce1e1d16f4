# FCN-8s (Long, Shelhamer and Darrell 2015) on VGG16: FCN-16s plus the scores at stride 8. `small` is FCN-32s's.
_base_ = './fcn16s.py'
model = dict(decode_head=dict(in_channels=[512, 512, 256], in_index=[4, 3, 2]))

small = dict(decode_head=dict(in_channels=[128, 128, 64]))
