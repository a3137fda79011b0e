"""Points with many coordinates, seen in a plane: that in which they vary most, or that which keeps groups apart."""

from collections.abc import Callable

import numpy as np
from scipy.linalg import eigh


def principal_plane(points: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return the projection to the plane of the first two principal components of `points`, scaled to -1..1.

    Shapes: points (..., H); the projection takes (..., H) and returns (..., 2).

    >>> principal_plane(np.array([[0.0, 0, 5], [2, 0, 5], [0, 1, 5]]))(np.zeros((4, 3))).shape
    (4, 2)
    """
    flat = points.reshape(-1, points.shape[-1])
    center = flat.mean(0)
    _, _, directions = np.linalg.svd(flat - center, full_matrices=False)
    return _projection(flat, center, directions[:2])


def separating_plane(points: np.ndarray, groups: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return the projection to the plane that keeps given groups of points furthest apart, scaled to -1..1.

    Fisher's linear discriminant: the spread between the groups, against the spread within them (to which a tenth of the
    overall spread is added, so that tight groups stay tight and loose ones loose).
    Shapes: points (N, H), groups (N,), at least 3 of them; the projection takes (..., H).
    Raises: ValueError for fewer groups.
    Source: R. A. Fisher, The use of multiple measurements in taxonomic problems, 1936.
    """
    kinds = np.unique(groups)
    if len(kinds) < 3:
        raise ValueError(f"{len(kinds)} groups: expected 3 or more, since two lie on a line; give more points")
    center = points.mean(0)
    means = np.array([points[groups == k].mean(0) for k in kinds])
    between = (means - center).T @ (means - center) / len(kinds)
    within = np.cov(np.concatenate([points[groups == k] - m for k, m in zip(kinds, means, strict=True)]).T, bias=True)
    overall = np.trace(np.cov(points.T, bias=True)) / points.shape[1]
    _, vectors = eigh(between, within + 0.1 * overall * np.eye(points.shape[1]))
    directions = np.linalg.qr(vectors[:, -1:-3:-1])[0].T  # the two best, at right angles
    return _projection(points, center, directions)


def _projection(points: np.ndarray, center: np.ndarray, onto: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    onto = onto * np.sign(onto.sum(1, keepdims=True) + 1e-12)  # one sign on every machine
    scale = np.abs((points - center) @ onto.T).max()
    return lambda more: (more - center) @ onto.T / scale
