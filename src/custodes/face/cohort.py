"""People who do not exist: a cohort of synthetic look-alikes to normalise scores with. Pure.

Drawn around what the enrolled have in common, along the directions in which they differ. No stranger's vector goes
into it, and none of it resembles one person.
"""

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]

COHORT_SIZE = 2048
"""With 512 the noise of a cohort's own spread let 1.3 times as many strangers through at N = 10⁵ as were asked for."""
LEAST_PEOPLE = 12
"""With fewer enrolled people their spread says nothing yet; scores are then read by the model alone."""


def synthetic_cohort(people: Vectors, *, seed: int, count: int = COHORT_SIZE) -> Vectors:
    """Look-alikes of a gallery.

    Args: people: (n, d) float32 unit vectors, one a person. seed: the same gives the same.
    Returns: (count, d) unit vectors; (0, d) when there are too few people.
    The covariance is shrunk towards its diagonal mean by d / (d + 4 n): directions of few people are not trusted.
    """
    number, dimension = people.shape
    if number < LEAST_PEOPLE:
        return np.zeros((0, dimension), np.float32)
    mean = people.mean(axis=0, dtype=np.float64)
    spread = people.astype(np.float64) - mean
    covariance = spread.T @ spread / (number - 1)
    shrink = dimension / (dimension + 4.0 * number)
    covariance = (1 - shrink) * covariance + shrink * np.eye(dimension) * np.trace(covariance) / dimension
    values, vectors = np.linalg.eigh(covariance)
    random = np.random.default_rng(seed)
    drawn = random.normal(size=(count, dimension)) * np.sqrt(np.maximum(values, 0)) @ vectors.T + mean
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return np.asarray(drawn, np.float32)
