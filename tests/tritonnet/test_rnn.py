"""Recurrent layers, their cells and packed sequences, as PyTorch's: values, gradients, names, errors."""

import numpy as np
import pytest

import tritonnet

LAYERS = [
    f"{kind}(4, 5{options})" for kind in ("RNN", "LSTM", "GRU")
    for options in ("", ", num_layers=2", ", 2, bidirectional=True", ", bias=False, batch_first=True")
] + ["RNN(4, 5, nonlinearity='relu')", "RNN(4, 5, 2, 'relu', False)", "LSTM(4, 5, num_layers=2, proj_size=2)",
     "LSTM(4, 5, dropout=0.5, num_layers=3)"]
CELLS = ["RNNCell(4, 5)", "RNNCell(4, 5, nonlinearity='relu', bias=False)", "LSTMCell(4, 5)", "GRUCell(4, 5)"]
MISTAKES = [
    "nn.LSTM(4, 5)(torch.ones(3, 4, 5, 6))", "nn.RNN(4, 5)(torch.ones(3))", "nn.RNN(4, 5)(torch.ones(3, 2, 3))",
    "nn.RNN(4, 5)(torch.ones(3, 2, 4).double())", "nn.RNN(4, 5)(torch.ones(3, 2, 4), torch.ones(1, 3, 5))",
    "nn.LSTM(4, 5)(torch.ones(3, 2, 4), (torch.ones(1, 3, 5), torch.ones(1, 2, 5)))",
    "nn.LSTM(4, 5)(torch.ones(3, 2, 4), (torch.ones(2, 5), torch.ones(2, 4)))",
    "nn.GRU(4, 5)(torch.ones(3, 4), torch.ones(1, 2, 5))", "nn.LSTM(0, 5)", "nn.LSTM(4, 5.5)", "nn.LSTM(4, 5, 0)",
    "nn.LSTM(4, 5, dropout=2)", "nn.GRU(4, 5, proj_size=2)", "nn.LSTM(4, 5, proj_size=6)", "nn.LSTM(4, 5, dropout=0.5)",
    "nn.RNN(4, 5, nonlinearity='sin')", "nn.RNNCell(4, 5)(torch.ones(2, 3))", "nn.GRUCell(4, 5)(torch.ones(2, 4, 4))",
    "nn.LSTMCell(4, 5)(torch.ones(2, 4), (torch.ones(3, 5), torch.ones(3, 5)))",
    "nn.GRUCell(4, 5)(torch.ones(2, 4), torch.ones(2, 6))", "rnn.pad_sequence([])", "rnn.pad_sequence(5)",
    "rnn.pack_padded_sequence(torch.ones(6, 3, 4), [1, 0, 0])", "rnn.pack_padded_sequence(torch.ones(6, 3), [1, 2])",
    "rnn.pack_padded_sequence(torch.ones(6, 3, 4), [1, 2, 3])", "rnn.pad_sequence([torch.ones(1)], padding_side='up')",
]


def gradients(torch, output, leaves, drawn):
    (output * drawn(torch, *output.shape, seed=5)).sum().backward()
    return [leaf.grad for leaf in leaves]


@pytest.mark.parametrize("text", LAYERS)
def test_a_layer_computes_what_pytorchs_does(alike, drawn, filled, text):
    def program(torch):
        layer = filled(torch, eval(text, dict(vars(torch.nn)))).eval()
        x = drawn(torch, 6, 3, 4).requires_grad_()
        output, state = layer(x)
        found = gradients(torch, output, [x, *layer.parameters()], drawn)
        alone = layer(x[:, 0])
        return repr(layer), list(layer.state_dict()), output, state, found, alone, layer(x * 2, state)

    alike(program, rtol=1e-4)


@pytest.mark.parametrize("text", [t for t in LAYERS if "batch_first" not in t])
def test_a_packed_batch_gives_what_pytorchs_does(alike, drawn, filled, text):
    def program(torch):
        rnn = torch.nn.utils.rnn
        layer = filled(torch, eval(text, dict(vars(torch.nn)))).eval()
        x = drawn(torch, 6, 3, 4).requires_grad_()
        packed = rnn.pack_padded_sequence(x, [3, 6, 1], enforce_sorted=False)
        output, state = layer(packed)
        padded, lengths = rnn.pad_packed_sequence(output, batch_first=True, padding_value=-1.0, total_length=7)
        found = gradients(torch, padded, [x, *layer.parameters()], drawn)
        return list(packed), list(output), state, padded, lengths, found, layer(packed, state)[1]

    alike(program, rtol=1e-4)


@pytest.mark.parametrize("text", CELLS)
def test_a_cell_computes_what_pytorchs_does(alike, drawn, filled, text):
    def program(torch):
        cell = filled(torch, eval(text, dict(vars(torch.nn))))
        x = drawn(torch, 3, 4).requires_grad_()
        state = cell(x)
        state = cell(x * 2, state)
        found = gradients(torch, state[0] if "LSTM" in text else state, [x, *cell.parameters()], drawn)
        return repr(cell), list(cell.state_dict()), state, found, cell(x[0])

    alike(program, rtol=1e-4)


@pytest.mark.parametrize("text", [
    "rnn.pad_sequence(tensors)", "rnn.pad_sequence(tensors, batch_first=True, padding_value=7.0)",
    "rnn.pad_sequence(tensors, padding_side='left')",
    "rnn.unpad_sequence(rnn.pad_sequence(tensors), torch.tensor([3, 1, 5]))",
    "rnn.pad_sequence([torch.tensor([1, 2]), torch.tensor([3])], True)",
    "list(rnn.pack_sequence(tensors, enforce_sorted=False))",
    "rnn.unpack_sequence(rnn.pack_sequence(tensors, enforce_sorted=False))",
    "list(rnn.pack_padded_sequence(rnn.pad_sequence(tensors, True), torch.tensor([5, 5, 2]), True).to(torch.float64))",
])
def test_sequences_are_padded_and_packed_as_in_pytorch(alike, drawn, text):
    alike(lambda torch: eval(text, {"torch": torch, "rnn": torch.nn.utils.rnn,
                                    "tensors": [drawn(torch, n, 2) for n in (3, 1, 5)]}))


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_raises_what_pytorch_raises(alike, text):
    alike(lambda torch: repr(eval(text, {"torch": torch, "nn": torch.nn, "rnn": torch.nn.utils.rnn})))


def test_lengths_beyond_the_input_are_refused():
    with pytest.raises(RuntimeError, match="at most 6"):
        tritonnet.nn.utils.rnn.pack_padded_sequence(tritonnet.ones(6, 1, 4), [7])


def test_parameters_are_drawn_within_the_bound():
    layer = tritonnet.nn.LSTM(4, 25, num_layers=2)
    layer.flatten_parameters()
    assert all(0.15 < p.abs().max().item() <= 0.2 for p in layer.parameters())
    assert [len(weights) for weights in layer.all_weights] == [4, 4]


@pytest.mark.parametrize("text", ["RNN(4, 5)", "LSTM(4, 5, bidirectional=True)", "GRU(4, 5)"])
def test_the_device_agrees_with_the_host(simulated, drawn, filled, text):
    def results(place):
        layer = filled(tritonnet, eval(text, dict(vars(tritonnet.nn)))).to(place)
        x = drawn(tritonnet, 3, 2, 4).to(place).requires_grad_()
        packed = tritonnet.nn.utils.rnn.pack_padded_sequence(x, [3, 1])
        output = layer(packed)[0].data
        return [t.detach().cpu().numpy() for t in (
            output, *gradients(tritonnet, output, [x, *layer.parameters()], lambda *a, **k: drawn(*a, **k).to(place)))]

    for found, expected in zip(results("cuda"), results("cpu"), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
