"""Measuring: plans, sampling, isolation, and the checks that make a number trustworthy.

`run.run_benchmark` is the way in; each case is a process of its own (`isolation`), commanded by
`measure`, alternated with others by `runner`. The statistics (`intervals`, `sampling`, `warmup`,
`compare`) know no process. Rankings and reports are made in `evidence`.
"""
