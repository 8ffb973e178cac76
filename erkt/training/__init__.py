"""The one training loop, and where it runs."""
