"""Watching a program run: sampling, and what is known of the code that was hit."""
