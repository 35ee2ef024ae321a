"""What PyTorch calls the backward of an operation, where the name is not that of ours: `grad_fn=<AddmmBackward0>`."""

from __future__ import annotations


def _ranks(node):
    """The numbers of dimensions of the factors that a node keeps."""
    return (node.x.ndim, node.y.ndim) if node.saved else ()


def _matmul(node):
    return {(2, 2): "MmBackward0", (2, 1): "MvBackward0", (1, 1): "DotBackward0", (3, 3): "BmmBackward0",
            (): "MmBackward0"}.get(_ranks(node), "UnsafeViewBackward0")


def _linear(node):
    biased = len(node.parents) > 2 and node.parents[2] is not None
    if len(node.shape) == 2:
        return "AddmmBackward0" if biased else "MmBackward0"
    return "ViewBackward0" if biased else "UnsafeViewBackward0"


def _slice(node):
    kinds = [k for k in node.args[0] if k is not Ellipsis and k != slice(None)]
    if not kinds or isinstance(kinds[-1], slice):
        return "SliceBackward0"
    return "UnsqueezeBackward0" if kinds[-1] is None else "SelectBackward0"


def _numbered(name, along="Backward1"):
    """One name for all elements, one for an axis."""
    return lambda node: name + ("Backward0" if node.__dict__.get("axis") is None else along)


NAMES = {
    "AdaptiveAvgPool2d": lambda node: "MeanBackward1" if node.shape[-2:] == (1, 1) else "AdaptiveAvgPool2DBackward0",
    "AdaptiveMaxPool2d": "AdaptiveMaxPool2DBackward0",
    "Amax": lambda node: "MaxBackward1" if node.__dict__.get("axis") is None else "AmaxBackward0",
    "Amin": lambda node: "MinBackward1" if node.__dict__.get("axis") is None else "AminBackward0",
    "AvgPool2d": "AvgPool2DBackward0", "BatchNorm": "NativeBatchNormBackward0", "BceLoss":
    "BinaryCrossEntropyBackward0", "BceWithLogits": "BinaryCrossEntropyWithLogitsBackward0", "Cast": "ToCopyBackward0",
    "Conv1d": "ConvolutionBackward0", "Conv2d": "ConvolutionBackward0", "ConvTranspose2d": "ConvolutionBackward0",
    "Copy": "CloneBackward0", "CrossEntropy": "NllLossBackward0", "CumSum": "CumsumBackward0", "GroupNorm":
    "NativeGroupNormBackward0", "IndexGet": "IndexBackward0", "LayerNorm": "NativeLayerNormBackward0",
    "Linear": _linear, "LinearAtOnce": _linear, "Log1p": "Log1PBackward0", "LogSumExp": "LogsumexpBackward0",
    "MatMul": _matmul,
    "MaxPool2d": "MaxPool2DWithIndicesBackward0", "Mean": _numbered("Mean"), "Norm": "LinalgVectorNormBackward0",
    "Pad": "ConstantPadNdBackward0", "Prelu": "PreluKernelBackward0", "Relu6": "HardtanhBackward0",
    "Reshape": "ViewBackward0", "Selu": "EluBackward0", "Slice": _slice, "Square": "PowBackward0",
    "Sum": _numbered("Sum"), "TopK": "TopkBackward0", "_Clamp": "ClampBackward1", "_ClampMax": "ClampBackward1",
    "_ClampMin": "ClampBackward1", "_CopySlices": "CopySlices", "_GeluErf": "GeluBackward0",
    "_GeluTanh": "GeluBackward0",
}


def name_of(op):
    """The name of a class of operations: text, or a property that tells it from the node."""
    found = NAMES.get(op, f"{op}Backward0")
    return found if isinstance(found, str) else property(found)
