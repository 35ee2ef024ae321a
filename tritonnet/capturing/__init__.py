"""Step capture: `tritonnet.capture` (step.py) and what makes it safe.

    signature.py    what a call looks like: arguments, modes; static copies of tensors
    recording.py    one call, recorded: what it must not do, and what belongs to it on the host (schedules)
    guards.py       what may change between calls without being seen: modules, gradients, names
    reasons.py      what was wrong, where, and what to do
"""
