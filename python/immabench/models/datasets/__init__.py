"""Labelled samples of models: what every data set can do (`dataset`), and one file a kind of data.

Importing this loads numpy and no torch; tensors are made when samples are asked for.
"""

from immabench.models.datasets.dataset import Dataset, balanced_subset, batches

__all__ = ["Dataset", "balanced_subset", "batches"]
