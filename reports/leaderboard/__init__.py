"""The leaderboard: a static site made from run folders and verified submissions."""
