"""Faults by the dozen while clients work, and a look at the end whether anything was lost."""
