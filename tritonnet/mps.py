"""`torch.mps`: Apple's GPUs are not supported; programs that seed or clean up all the same may."""


def is_available() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing to seed."""


def synchronize() -> None:
    """Nothing to wait for."""


def empty_cache() -> None:
    """Nothing to give back."""


def current_allocated_memory() -> int:
    """0 bytes."""
    return 0
