"""Who has a page of ours open right now: kept in the cache, since it is worth nothing a minute later."""

import logging

from django.core.cache import cache

logger = logging.getLogger(__name__)

# Open pages give a sign every few seconds (see `reports.consumers`).
SECONDS = 30


def touch(user_id: int) -> None:
    """The person has a page open. Never raises: nothing depends on it but a mail."""
    try:
        cache.set(_key(user_id), True, SECONDS)
    except Exception as error:
        logger.warning("presence of user %s not noted: %r", user_id, error)


def is_away(user_id: int) -> bool:
    """Whether no page has given a sign for a while; also when it cannot be told, so that no mail is missing."""
    try:
        return cache.get(_key(user_id)) is None
    except Exception as error:
        logger.warning("presence of user %s not known: %r", user_id, error)
        return True


def _key(user_id: int) -> str:
    return f"presence.{user_id}"
