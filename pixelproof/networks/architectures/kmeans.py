# K-means over colour and position (MacQueen 1967), in mini-batches (Sculley 2010): the baseline without a network.
# `small` draws a quarter as many pixels from each training image and has half as many clusters.
model = dict(
    type='KMeansSegmentor',
    decode_head=dict(num_classes=None),
    clusters=64,
    position=0.0,  # in aerial images, where a pixel lies says nothing about its class
    samples=4096)

small = dict(clusters=32, samples=1024)

modules = ['kmeans']
