"""What knows ``dvc.yaml``, ``dvc.lock``, ``params.yaml`` and git: the rest of ``erkt`` is handed what it needs."""
