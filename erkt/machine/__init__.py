"""The machine at hand: its device, freed memory, and the terminal's line. Changes rounding at most."""
