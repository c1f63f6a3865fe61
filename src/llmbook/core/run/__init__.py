"""Where a page runs: files, machine, seeds and devices, caches."""
