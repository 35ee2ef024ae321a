"""Names that older programs, and the first lines of most, use."""

import tritonnet


def test_variable_is_a_type(alike):
    def program(torch):
        Variable = torch.autograd.Variable
        x = Variable(torch.ones(2), requires_grad=True)
        y = Variable(torch.ones(2), volatile=True) if torch is tritonnet else torch.ones(2)
        return isinstance(x, Variable), isinstance(1, Variable), x.requires_grad, y.requires_grad, x

    alike(program)


def test_typed_tensors_are_types(alike):
    alike(lambda torch: [isinstance(torch.ones(2), torch.FloatTensor), isinstance(torch.ones(2), torch.LongTensor)])


def test_the_accelerator(alike, simulated):
    assert tritonnet.accelerator.is_available() and str(tritonnet.accelerator.current_accelerator()) == "cuda"
    assert tritonnet.accelerator.device_count() == 1 and tritonnet.accelerator.current_device_index() == 0
    tritonnet.accelerator.set_device_index(0)
    tritonnet.accelerator.synchronize()


def test_without_an_accelerator(alike):
    alike(lambda torch: [torch.accelerator.is_available(), torch.accelerator.current_accelerator(
        check_available=True) is None])
    assert tritonnet.version.cuda is None and tritonnet.version.__version__ == tritonnet.__version__
