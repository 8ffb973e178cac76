"""Networks: built by timm, normalising their own input, run, stored and counted."""
