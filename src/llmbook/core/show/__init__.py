"""What a reader sees: plots, tables, exercises that check themselves."""
