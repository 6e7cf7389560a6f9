"""What things cost: ratios, side by side in one run. `make bench` on a quiet machine."""
