"""Quality against ground truth: `python -m eval.NAME --data DIR`. Forms and aims are in shared/BENCHES.md."""
