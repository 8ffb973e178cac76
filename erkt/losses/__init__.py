"""Losses of distillation (paper, section 3.4): pure functions of tensors, and the objective they make."""
