"""Social: posts, their comments and likes, and the feed.

A post's row counts its comments and likes, and whoever changes what is counted locks that row
first: counts are exact, comments commit in the order of their ids, and no two wait for each other
in turn.
"""
