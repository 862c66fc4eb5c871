"""What open sockets, of which a process may have thousands, have in common: the threads in which they wait for the
database, and who opened them.

Failure story: Channels has one thread for all sockets of a process, and each of its calls connects to the database.
Some hundred dashboards that look at their jobs every few seconds kept that thread so busy that no other was opened.
"""

from collections.abc import Mapping
from typing import Any

from accounts import sessions
from accounts.models import User
from reports.threads import Threads

# Each has a connection while there is work. More would only wait for each other.
THREADS = 4

_threads = Threads(THREADS, name="sockets")
in_thread = _threads.do
settle = _threads.settle


async def user_of(scope: Mapping[str, Any]) -> User | None:
    """Whose session the socket was opened with. Asked when the socket is accepted already: Daphne gives up those that
    are not accepted within five seconds, and of many that come at once the last ones would come again and again."""
    user: User | None = await in_thread(sessions.user_of, scope["session"].session_key)
    # An account whose first password must be changed opens nothing until then, sockets included.
    return None if user is None or user.must_change_password else user
