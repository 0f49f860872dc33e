"""Many nodes: their cards side by side, and who of them reaches whom."""
