"""A sample file for people who want to see the product work before they trust it with their own."""

import csv
import io
import random
from datetime import date, timedelta

DEPARTMENTS = ("Books", "Clothing", "Electronics", "Garden", "Home & Kitchen", "Sports, Outdoor", "Toys")
ROWS = 2000


def sales_csv() -> str:
    """The same rows every time, with two bad ones at the end so that it shows what happens to such rows."""
    numbers = random.Random(2024)  # noqa: S311  (not for secrets)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["Department Name", "Date", "Number of Sales"])
    for _ in range(ROWS):
        day = date(2024, 1, 1) + timedelta(days=numbers.randrange(366))
        writer.writerow([numbers.choice(DEPARTMENTS), day.isoformat(), numbers.randrange(1, 500)])
    writer.writerow(["Books", "2024-02-30", 12])
    writer.writerow(["Garden", "2024-03-01", "a dozen"])
    return out.getvalue()
