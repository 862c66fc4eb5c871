"""Check again, while a call lasts, that its caller may still make it.

A call may last for hours. In this time the token may be revoked, the session behind a JSON Web Token logged out or
ended by a new password, the account locked. Then the call ends within seconds, whatever it is waiting for.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import django.db

from reports import readings, watching
from reports.rpc import endings
from reports.rpc.callers import Caller

logger = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def credentials_of(caller: Caller) -> AsyncIterator[None]:
    """Check the credentials of `caller` every few seconds meanwhile. Raise `Refusal` (401) once they are refused."""
    limit = asyncio.timeout(None)
    checking = asyncio.create_task(_end_when_refused(caller, limit))
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise endings.locked_out() from None
    finally:
        checking.cancel()


async def _end_when_refused(caller: Caller, limit: asyncio.Timeout) -> None:
    while True:
        await asyncio.sleep(watching.REREAD_SECONDS)
        if not await _is_accepted(caller):
            limit.reschedule(0)
            return


async def _is_accepted(caller: Caller) -> bool:
    key = ("credentials", caller.user.pk, caller.header, caller.session)
    try:
        # Many calls may come with the same credentials; one of them asks for all.
        return await readings.read(key, caller.is_accepted, max_age=watching.REREAD_SECONDS / 2, enough=bool)
    except django.db.Error as error:
        logger.warning("credentials of user %s not read: %r", caller.user.pk, error)
        return True
