"""Measures the built executable against its budgets, as ratios within one run; `./dev bench`."""
