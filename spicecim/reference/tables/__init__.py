"""States of devices whose rate is a product of a function of the voltage and one of the state, by tables."""
