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


def test_functions_of_nn_are_also_found_at_the_top(alike, drawn):
    def program(torch):
        x = drawn(torch, 2, 4, 6)
        return (torch.conv1d(x, drawn(torch, 3, 4, 2)), torch.max_pool1d(x, 2), torch.layer_norm(x, (6,)),
                torch.cosine_similarity(x, x * 2), torch.pixel_shuffle(x.unsqueeze(0).movedim(2, 1), 2),
                torch.dropout(x, 0.5, False), torch.group_norm(x, 2))

    alike(program)


def test_data_parallel_is_the_module_itself(alike, drawn, filled):
    def program(torch):
        model = filled(torch, torch.nn.DataParallel(torch.nn.Linear(3, 2)))
        return repr(model), list(model.state_dict()), model(drawn(torch, 4, 3)), type(model.module).__name__

    alike(program)


def test_the_precision_of_products_is_a_setting(alike):
    def program(torch):
        before = torch.get_float32_matmul_precision()
        seen = [before]
        try:
            for precision in ("high", "medium", "highest"):
                torch.set_float32_matmul_precision(precision)
                seen.append(torch.get_float32_matmul_precision())
            torch.backends.cuda.matmul.allow_tf32 = True
            seen.append(torch.backends.cuda.matmul.allow_tf32)
            torch.backends.cuda.matmul.allow_tf32 = False
            seen.append(torch.backends.cuda.matmul.allow_tf32)
        finally:
            torch.set_float32_matmul_precision(before)
        return seen

    try:
        alike(program)
    finally:
        tritonnet.kernels.matmul.set_matmul_precision(None)
