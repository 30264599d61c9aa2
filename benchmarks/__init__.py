"""What users would pick instead, beside ours: `python -m benchmarks` runs all, `python -m benchmarks.rate` one."""
