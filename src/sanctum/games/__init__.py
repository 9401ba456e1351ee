"""Games: rooms in which two users play noughts and crosses, turn by turn.

How an action travels: its room's row is locked, the referee decides what becomes of the room (or
refuses), and the new state is stored together with one event that tells of it, all in one
transaction. So of two moves made at once exactly one counts, of two users who join at once exactly
one gets in, and a room's events are numbered without gaps. Once committed, an event goes to all who
follow the room over a socket; whoever missed it reads it by its number.

A room ends by a win, a draw, a player who leaves, its host who closes it, or because nobody did
anything in it for too long: whatever becomes of the players, no room stays open for ever.
"""
