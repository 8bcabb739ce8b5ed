"""Published claims beside what was measured of them."""
