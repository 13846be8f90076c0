"""The Poisson equation on a mask: guidance, the solver, colours matched at the boundary."""
