"""The page of a run: one HTML file with its verdict, its numbers and where they are from, to hand on."""
