"""The learning rate of every step."""

from __future__ import annotations

import math

from gaugenet.config import TrainConfig


def learning_rate(step: int, steps: int, config: TrainConfig, falls: int = 0) -> float:
    """Rises over the warmup, then follows `config.schedule`: a function of the step, and of `falls` for plateau, alone.

    With s = (step − warmup) / (steps − warmup), of the peak rate remain: constant 1, cosine (1 + cos πs) / 2,
    linear 1 − s, step decay^⌊epoch / decay_every⌋ for epochs from 0, plateau decay^falls.

    Args:
        step: from 0.
        steps: of the whole run.
        falls: how often the validation had got no better for `decay_every` epochs.
    """
    warmup = max(round(config.warmup * steps), 1)
    if step < warmup:
        return config.lr * (step + 1) / (warmup + 1)
    share = (step - warmup) / max(steps - warmup, 1)
    if config.schedule == "cosine":
        return config.lr * 0.5 * (1 + math.cos(math.pi * share))
    if config.schedule == "linear":
        return config.lr * (1 - share)
    if config.schedule == "step":
        epoch = step * config.epochs // steps
        return config.lr * float(config.decay ** (epoch // config.decay_every))
    if config.schedule == "plateau":
        return config.lr * float(config.decay**falls)
    return config.lr
