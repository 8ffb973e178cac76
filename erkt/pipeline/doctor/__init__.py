"""A check-up before a long run: facts are looked up in one place, what they mean is said in another.

Each module has functions ``look...``, which read the machine, and pure functions, which turn what was read into
findings. Nothing is changed; the few probe files are removed again.
"""
