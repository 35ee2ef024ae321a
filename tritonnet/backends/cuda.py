"""`torch.backends.cuda`: matmul.allow_tf32 chooses the precision of float32 products."""



class _Matmul:
    """allow_tf32=True is set_float32_matmul_precision("high")'s plain tf32."""

    @property
    def allow_tf32(self):
        from tritonnet.kernels import matmul

        return matmul.get_matmul_precision() == "tf32"

    @allow_tf32.setter
    def allow_tf32(self, value):
        from tritonnet.kernels import matmul

        matmul.set_matmul_precision("tf32" if value else None)


matmul = _Matmul()


def is_built() -> bool:
    """Whether GPUs can be used by this installation: yes, wherever there is a driver."""
    return True
