"""Benchmarks: ``python -m benchmarks FAMILY...``; see CONTRIBUTING.md."""
