"""Splits, configuration, the one loop, evaluation, saved runs, and the command line.

Nothing is imported here: `kgrec --help` must not wait for torch. The doors are `training.runs.train_run`,
`training.bundle.load_run`, `training.experiment.Experiment` and `training.evaluate.evaluate`.
"""
