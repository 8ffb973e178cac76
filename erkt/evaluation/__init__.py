"""How good a network is, on which images, at what cost, and how sure that is."""
