"""Tools that execute, check and render the book; no page imports them."""
