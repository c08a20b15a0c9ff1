"""What bin/bench is made of."""
