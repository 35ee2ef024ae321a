"""PyTorch's old name of `torch.hub.load_state_dict_from_url`."""

from tritonnet.hub import load_state_dict_from_url

__all__ = ["load_url"]

load_url = load_state_dict_from_url
