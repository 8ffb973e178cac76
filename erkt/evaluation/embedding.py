"""Where the student sees classes close together: its features, a map of them, and which classes overlap."""

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

from erkt.data.images import Subset
from erkt.networks.feature_maps import maps, pooled
from erkt.networks.inference import image_batches, outputs
from erkt.networks.models import Classifier, put_on

Features = NDArray[np.float32]

NEIGHBOURS = 10


def features(model: Classifier, subset: Subset, batch_size: int, device: torch.device) -> Features:
    """Return what the last layer sees of each image, (N, D)."""
    put_on(model, device).eval()
    batches = image_batches(subset, batch_size, device)
    return np.concatenate(list(outputs(lambda images: pooled(model, maps(model, images)), batches)))


def flat_map(points: Features, seed: int) -> Features:
    """Return a map (N, 2) of ``points`` (N, D) by t-SNE (L. van der Maaten, G. Hinton, 2008).

    The same for a seed and a number of threads; another number, or features that differ by rounding, may turn
    and shift the map. Nothing is computed from it.
    """
    perplexity = min(30.0, max(1.0, (len(points) - 1) / 3))
    tsne = TSNE(perplexity=perplexity, init="pca", random_state=seed)
    mapped: Features = tsne.fit_transform(points)
    return mapped


def overlaps(points: Features, labels: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Return how much classes mix (classes, classes): the share of one's neighbours that the other has.

    Of each point's 10 nearest others in the space of ``points`` (N, D), not on the map, which distorts
    distances. Entry (a, b) is the mean over the points of a; rows of classes with points sum to 1.
    """
    count = min(NEIGHBOURS, len(points) - 1)
    near = NearestNeighbors(n_neighbors=count).fit(points).kneighbors(return_distance=False)
    shares = np.zeros((classes, classes))
    for label in np.unique(labels):
        theirs = labels[near[labels == label]]
        shares[label] = np.bincount(theirs.ravel(), minlength=classes) / theirs.size
    return shares
