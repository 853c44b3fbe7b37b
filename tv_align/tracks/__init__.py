"""The three tracks of TV-Align: videos, frozen tokens, reconstructions."""
