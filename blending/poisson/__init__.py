"""The Poisson equation on a mask: guidance, solver, and colour matching at the mask's boundary."""
