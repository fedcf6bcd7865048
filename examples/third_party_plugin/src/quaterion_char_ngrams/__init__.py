"""An encoder of character n-grams, as an example of a package that brings one to Quaterion."""
