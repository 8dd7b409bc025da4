"""Speed and cost. Every module is `python -m bench.NAME [--smoke]` and ends with one JSON line (eval.report)."""
