"""What long work has in the air: its checkpoints, its result until it is recorded, and how it is asked to stop."""
