"""The paper's claims beside what our runs measured, and what may be concluded."""
