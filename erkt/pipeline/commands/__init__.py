"""The commands that work on a repository; ``erkt.cli`` finds them."""
