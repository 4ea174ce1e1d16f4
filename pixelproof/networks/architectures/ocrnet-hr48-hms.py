# Hierarchical multi-scale attention (Tao, Sapra and Catanzaro 2020) over OCRNet on HRNetV2-W48: trained at scales 0.5
# and 1, predicts at 0.5, 1 and 2. `small` is ocrnet-hr48's, with 16 channels in the attention.
_base_ = './ocrnet-hr48.py'
modules = ['hms']
model = dict(
    type='HierarchicalMultiScale',
    train_scales=(0.5, 1.0),
    scales=(0.5, 1.0, 2.0),
    scale_weight=0.05,  # weight of the loss on each training scale's own logits, as in the authors' recipe
    decode_head=[
        _base_.model.decode_head[0],
        dict(_base_.model.decode_head[1], type='ScaleAttentionOCRHead', attention_channels=256)])

small = dict(decode_head={'1': dict(attention_channels=16)})
