"""The settings of each environment; the process environment is read here and nowhere else."""
