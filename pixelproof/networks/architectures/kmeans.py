# K-means over colour and position (MacQueen 1967), in mini-batches (Sculley 2010): the baseline without a network.
# `small` draws a quarter as many pixels of each training image, and finds half as many clusters.
model = dict(
    type='KMeansSegmentor',
    decode_head=dict(num_classes=None),
    clusters=64,
    position=0.0,  # in pictures from above, what is where in them says nothing of what it is
    samples=4096)

small = dict(clusters=32, samples=1024)

modules = ['kmeans']
