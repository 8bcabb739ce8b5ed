"""Models fitted to measured current-voltage loops."""
