"""The teachers' logits on the views of the training set: written once, read by every student."""
