"""TV-Align: does the video show what the text says?"""
