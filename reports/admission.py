"""Whether a connection that stays open, a socket or an event stream, may stay so: asked again and again.

It ends within `CHECK_SECONDS + SHARED_SECONDS` after its credentials have (see `accounts.credentials.is_good`), without
any message; and after little more than `SHARED_SECONDS` when the channel layer works, which tells of the change.
"""

from accounts import credentials
from accounts.credentials import Proof
from reports import readings

CHECK_SECONDS = 4.0
# Several connections with the same credentials share an answer that is at most so old. After an announced change a
# connection waits as long before it asks: no answer from before the change is given to it then. A log-out is announced
# a moment before it is done, too.
SHARED_SECONDS = 1.0


async def is_good(proof: Proof) -> bool:
    """Raises `DatabaseError` when it cannot be known now."""
    return await readings.read(proof, lambda: credentials.is_good(proof), max_age=SHARED_SECONDS, enough=bool)
