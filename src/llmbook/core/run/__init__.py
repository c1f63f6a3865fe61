"""Where a page runs and what made its results: files, machine, seeds and devices, closures, artefacts."""
