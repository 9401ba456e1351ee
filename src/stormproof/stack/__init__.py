"""Where the target runs: its parts as data, and the controller's hold on them."""
