"""Sample files for people who want to see the product work before they trust it with their own."""

import csv
import io
import random
from datetime import date, timedelta

DEPARTMENTS = ("Books", "Clothing", "Electronics", "Garden", "Home & Kitchen", "Sports, Outdoor", "Toys")
ROWS = 2000
CUSTOMERS = 200


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


def customers_csv() -> str:
    """The same customers every time, with one bad row among them for each thing that is often wrong. Nobody is real:
    addresses are at example.org, and phone numbers are those kept for fiction."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["Name", "E-Mail", "Phone", "Company"])
    bad = {
        30: ["", "no.name@example.org", "", "Example Company 4"],
        60: ["Sample Person 60", "person.60 at example.org", "", "Example Company 8"],
        90: ["Sample Person 90", "Person.1@Example.org", "", "Example Company 1"],
        120: ["Sample Person 120", "person.120@example.org", "", ""],
        150: ["", "", "", "Example Company 2"],
        180: ["Sample Person 180", "person.180@example.org", "", "Example Company", "Inc."],
    }
    for row in range(1, CUSTOMERS + 1):
        phone = f"+1 555 01{row % 100:02}" if row % 3 else ""
        good = [f"Sample Person {row}", f"person.{row}@example.org", phone, f"Example Company {row % 25 + 1}"]
        writer.writerow(bad.get(row, good))
    return out.getvalue()
