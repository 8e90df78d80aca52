"""The formulae of the test world, a module per kind; each has a function formulae()."""
