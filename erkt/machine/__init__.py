"""The machine at hand: which device is used, and what becomes of freed memory. Changes rounding at most."""
