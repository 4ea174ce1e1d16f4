# DeepLabV3's other form (Chen et al. 2017, section 3.2): in place of the pyramid, three copies of ResNet-50's last
# block in cascade, with output stride 16 and the rates of figure 3 (b), `Multi_Grid` (1, 2, 1), and a 1x1 convolution.
# `small` has a quarter of the channels, and a quarter of the copies' rates, which fits an 8x8 feature map.
_base_ = 'mmseg::_base_/models/deeplabv3_r50-d8.py'
modules = ['cascaded_resnet']
model = dict(
    pretrained=None,
    backbone=dict(
        _delete_=True, type='CascadedResNet', depth=50, stem_channels=64, base_channels=64, strides=(1, 2, 2, 1),
        dilations=(1, 1, 1, 2), cascade=(4, 8, 16), unit_rates=(1, 2, 1), norm_cfg=dict(type='BN')),
    decode_head=dict(
        _delete_=True, type='FCNHead', in_channels=2048, in_index=0, channels=2048, num_convs=0, concat_input=False,
        dropout_ratio=0.0, num_classes=19, norm_cfg=dict(type='BN'), align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0)),
    auxiliary_head=None)

small = dict(
    backbone=dict(stem_channels=16, base_channels=16, dilations=(1, 1, 1, 1), cascade=(1, 2, 4)),
    decode_head=dict(in_channels=512, channels=512))
