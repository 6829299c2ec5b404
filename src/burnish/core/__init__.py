"""The ground floor: frozen data that the stages hand on. Imports nothing of the house."""
