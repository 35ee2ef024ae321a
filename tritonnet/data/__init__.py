"""Data: datasets, samplers, collation, and the `DataLoader` that turns them into batches. PyTorch's `torch.utils.data`.

Batches of array-backed datasets (`TensorDataset`, the vision sets, their `Subset`s) are gathered at once; user-defined
datasets go sample by sample, in worker processes if asked. `DeviceLoader` keeps the data on the device.
"""

from tritonnet.data.collate import default_collate, default_convert
from tritonnet.data.dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from tritonnet.data.device_loader import DeviceLoader
from tritonnet.data.distributed import DistributedSampler
from tritonnet.data.loader import DataLoader
from tritonnet.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from tritonnet.data.worker import get_worker_info

__all__ = [
    "BatchSampler", "ChainDataset", "ConcatDataset", "DataLoader", "Dataset", "DeviceLoader", "DistributedSampler",
    "IterableDataset",
    "RandomSampler", "Sampler", "SequentialSampler", "StackDataset", "Subset", "SubsetRandomSampler", "TensorDataset",
    "WeightedRandomSampler", "default_collate", "default_convert", "get_worker_info", "random_split",
]
