"""Where the claims stand."""

FORMS = "Yuan et al., FORMS, ISCA 2021, arXiv:2106.09144"
ARITHMETIC = "arithmetic of bit-sliced columns; FORMS (arXiv:2106.09144) uses 4-bit converters, ISAAC 8-bit ones"
HERE = "what this project asks of its two engines"
