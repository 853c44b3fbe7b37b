"""How reports and the leaderboard bear large inputs."""
