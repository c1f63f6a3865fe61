"""How good, and how sure: losses, metrics, intervals, stored measurements."""
