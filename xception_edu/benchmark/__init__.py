"""Measurements that are kept: what `python -m xception_edu benchmark NAME` runs and writes into
results/.

Every file is one JSON object: `benchmark` (its name), `command`, `quick` (True: few rounds, a first
look and no result), `device`, `threads`, `machine` (processor, system, cores, python, versions,
commit), `load` (`wall_seconds` and `share_of_others`, the part of the processors' time that other
programs used meanwhile), and what was measured, as the docstring of its module says. Times are
milliseconds: `median_ms`, `q1_ms`, `q3_ms` (quartiles), over `rounds`, of which the system
`preempted` some for another program (older files: `disturbed`); none is left out. MACs and bytes
are of the whole batch. Ctrl-C ends a long measurement, and what was measured by then is written;
`left_out` says how many cases are not there. On Linux tensors lie in huge pages, by torch's own
switch THP_MEM_ALLOC_ENABLE: with small pages a convolution's time can differ by 2x between
processes.
"""
