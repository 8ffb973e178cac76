"""What knows ``dvc.yaml``, ``dvc.lock``, ``params.yaml`` and git: the rest is handed what it needs."""
