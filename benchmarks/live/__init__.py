"""A real `lorebot serve`, the servers that it talks to, and people who ask it: for `load` and `faults`."""
