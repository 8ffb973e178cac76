"""Parameter schemas, one small module a section, so that an option added to one retrains nothing else."""
