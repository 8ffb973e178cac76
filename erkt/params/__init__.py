"""Parameter schemas, one small module a section, so that an option added to one section retrains nothing else."""
