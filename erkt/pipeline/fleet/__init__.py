"""The cells of one commit over many machines: their order, and how a worker makes one of them."""
