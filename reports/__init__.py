"""Tables, plots and pages; reads run folders only."""
