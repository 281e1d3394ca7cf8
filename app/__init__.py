"""Terroir: human verification and evaluation for culture-mixing image benchmarks."""
