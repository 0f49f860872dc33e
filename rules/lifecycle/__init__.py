"""Rules come into force, stay, and go: apply, confirm, roll back, verify, remove."""
