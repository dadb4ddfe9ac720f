"""What the tests need to start uproar and to talk to it, byte by byte.
Holds no test, and uses nothing of uproar's own code: two sides must not share one mistake.
"""
