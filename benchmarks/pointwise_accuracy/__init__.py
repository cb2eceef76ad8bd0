"""How exact the functions of one number are, over the whole range of floats."""
