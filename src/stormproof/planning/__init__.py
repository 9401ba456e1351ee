"""From a trial and a profile to a plan; every problem is found before anything runs."""
