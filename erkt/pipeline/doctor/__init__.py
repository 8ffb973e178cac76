"""The check-up before a long run. A check is a function that looks and yields findings; nothing is changed.

- ``checkup``: all checks in order, each given what it needs
- ``findings``: what a check yields: a line with its level and what to do
- ``bounded``: a check that may hang (a dead mount, a silent server), in a process of its own
- ``packages``: versions within the project's bounds; torch, torchvision and networks that fit each other
- ``hardware``: the device, threads and cores, which precision and how many threads are faster
- ``needed_files``: places that params name, and files that no stage makes
- ``disk_space``: what the protocol will need, and what is free where it goes
- ``cache_and_lock``: DVC's cache and lock in this repository
- ``default_remote``: DVC's default remote
- ``tracking_store``: MLflow's database or server
- ``unfinished_work``: states of stages that were interrupted, temporary files of those that were killed
"""
