"""The worker of `exec:`: runs a class of the user's in the user's own Python environment.

The harness starts it as `python -u FOLDER REQUESTS REPLIES MEMORY LIFELINE`, with this folder and four file
descriptors. It needs Python 3.8 and numpy, and torch only where the class uses it. Requests and replies are
JSON with the length before it; arrays are in the memory file. What the class prints goes to the log.
"""
