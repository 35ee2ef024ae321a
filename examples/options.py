"""The options that the examples have in common."""

import argparse

import tritonnet as torch


def parse(description, argv=None, **defaults):
    """--device, --seed, and one option per keyword, of its default's type. Seeds tritonnet."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    for name, value in defaults.items():
        kind = str if value is None else type(value)
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=value, help=f"default {value}")
    options = parser.parse_args(argv)
    torch.manual_seed(options.seed)
    options.device = torch.device(options.device)
    return options
