"""Losses of distillation: pure functions of tensors, and the objective that combines them (paper, section 3.4)."""
