"""Results as text for people. Imports nothing until a result is printed."""
