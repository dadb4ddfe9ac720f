"""The judge behind bench/run: cases, the servers they start, pairs and their statistics, tables.
Nothing here measures: that is the client's part, and it prints JSON."""
