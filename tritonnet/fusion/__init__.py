"""`tritonnet.compile`: linear maps, convolutions and norms take along what follows them, in one launch.

    patterns    which operations there are one launch for
    pending     tensors that wait to be computed until it is known what follows
    compiled    `compile`: models and functions whose calls let them wait
    report      what was fused in a call, why the rest was not, and what it saves: `explain()`

Nothing is traced: a result of a head (a linear map, say) waits until somebody looks at it, and the operations that
follow it until then are taken along. So every program may be compiled, with whatever Python in it, and whoever reads
a value finds it.
"""
