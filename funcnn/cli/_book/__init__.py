"""The rule book: what is known of every rule, measured, as a page."""
