"""The stress suite: scenes that make reconstruction hard, with exact cameras and depth."""
