"""What long work has in the air: checkpoints, a result until it is recorded, and requests to stop."""
