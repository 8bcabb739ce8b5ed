"""What people add to spicecim from outside: one of each kind."""
