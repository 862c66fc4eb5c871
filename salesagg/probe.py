"""``python -m salesagg.probe http://127.0.0.1:8000/healthz``: ends with 0 when that is answered. For containers."""

import sys
from urllib.error import URLError
from urllib.request import Request, urlopen

TIMEOUT_SECONDS = 4


def answers(address: str) -> bool:
    # By the name that a process answers to whatever the site is called.
    request = Request(address, headers={"Host": "localhost"})  # noqa: S310  (the operator's)
    try:
        with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310  # nosec B310
            return bool(answer.status == 200)
    except (URLError, TimeoutError, ConnectionError) as error:
        print(error, file=sys.stderr)
        return False


if __name__ == "__main__":
    sys.exit(not answers(sys.argv[1]))
