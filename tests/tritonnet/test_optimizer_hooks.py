"""Hooks around an optimizer's state_dict and load_state_dict."""

import copy


def test_hooks_are_called_as_pytorchs(alike, drawn):
    def program(torch):
        p = drawn(torch, 3).requires_grad_()
        p.grad = drawn(torch, 3, seed=2)
        optimizer, calls = torch.optim.SGD([p], lr=0.5, momentum=0.9), []
        optimizer.step()
        handles = [
            optimizer.register_state_dict_pre_hook(lambda o: calls.append("before")),
            optimizer.register_state_dict_pre_hook(lambda o: calls.append("first"), prepend=True),
            optimizer.register_state_dict_post_hook(lambda o, s: {**s, "more": sorted(s)}),
            optimizer.register_load_state_dict_pre_hook(lambda o, s: calls.append(s.pop("more"))),
            optimizer.register_load_state_dict_post_hook(lambda o: calls.append(o.param_groups[0]["lr"])),
        ]
        saved = optimizer.state_dict()
        keys = sorted(saved)
        optimizer.param_groups[0]["lr"] = 0.1
        optimizer.load_state_dict(saved)
        for handle in handles:
            handle.remove()
        copied = copy.deepcopy(optimizer)
        return str(keys), str(calls), str(sorted(optimizer.state_dict())), copied.param_groups[0]["lr"]

    alike(program)
