"""The numpy reference core."""
