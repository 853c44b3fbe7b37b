"""The paper's claims, what our runs measured, and what may be concluded."""
