"""Weight and spectral normalisation, as PyTorch's: names, values, gradients."""

import pytest

import tritonnet


@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated")
@pytest.mark.parametrize("layer, shape, dim", [("Linear(4, 3)", (5, 4), 0), ("Conv2d(2, 3, 2)", (2, 2, 4, 4), 0),
                                               ("Linear(4, 3)", (5, 4), None), ("Linear(4, 3)", (5, 4), 1)])
def test_weight_norm(alike, drawn, filled, layer, shape, dim):
    def program(torch):
        import warnings

        warnings.simplefilter("ignore", FutureWarning)  # PyTorch has another way by now
        utils = torch.nn.utils
        module = utils.weight_norm(filled(torch, eval(layer, dict(vars(torch.nn)))), dim=dim)
        y = module(drawn(torch, *shape))
        y.sum().backward()
        found = {n: p.grad for n, p in module.named_parameters()}
        keys = list(module.state_dict())
        utils.remove_weight_norm(module)
        return y, found, keys, sorted(n for n, _ in module.named_parameters()), module(drawn(torch, *shape))

    alike(program, rtol=1e-4)


@pytest.mark.parametrize("layer, shape", [("Linear(4, 3)", (5, 4)), ("Conv2d(2, 3, 2)", (2, 2, 4, 4)),
                                          ("ConvTranspose2d(2, 3, 2)", (2, 2, 4, 4))])
def test_spectral_norm(alike, drawn, filled, layer, shape):
    def program(torch):
        import warnings

        warnings.simplefilter("ignore", FutureWarning)
        utils = torch.nn.utils
        module = utils.spectral_norm(filled(torch, eval(layer, dict(vars(torch.nn)))), n_power_iterations=2)
        with torch.no_grad():
            for buffer in module.buffers():
                buffer.copy_(torch.nn.functional.normalize(drawn(torch, *buffer.shape, seed=3), dim=0))
        y = module(drawn(torch, *shape))
        y.sum().backward()
        found = {n: p.grad for n, p in module.named_parameters()}
        again = module.eval()(drawn(torch, *shape))
        state = dict(module.state_dict())
        utils.remove_spectral_norm(module)
        return y, found, again, state, module(drawn(torch, *shape))

    alike(program, rtol=1e-4)


def test_mistakes(alike):
    utils = tritonnet.nn.utils
    layer = utils.spectral_norm(tritonnet.nn.Linear(2, 2))
    with pytest.raises(RuntimeError, match="Cannot register two"):
        utils.spectral_norm(layer)
    with pytest.raises(RuntimeError, match="Cannot register two"):
        utils.weight_norm(utils.weight_norm(tritonnet.nn.Linear(2, 2)))
    with pytest.raises(ValueError, match="not found in"):
        utils.remove_weight_norm(layer)
    with pytest.raises(ValueError, match="positive"):
        utils.spectral_norm(tritonnet.nn.Linear(2, 2), n_power_iterations=0)
