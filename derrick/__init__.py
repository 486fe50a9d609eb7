"""What Derrick's scripts, tests and console share."""
