"""Sales: total sales per department."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from reports import results
from reports.engine import Layout as SalesLayout
from reports.engine import Partial, detect_layout, fold
from reports.models import DepartmentTotal
from reports.pipelines.base import FoldedWindow, Layout, Result


class SalesPipeline:
    """The engine, made a pipeline. Options: ``columns``, a mapping of role to header name."""

    def fold(self, data: bytes, *, layout: Layout | None, options: Mapping[str, Any], final: bool) -> FoldedWindow:
        if layout is None:
            detected = detect_layout(data, final=final, named=options.get("columns"))
            if detected is None:
                return FoldedWindow(consumed=0, rows=0, bad_rows=0, state=b"", layout={})
            found, start = detected, detected.data_start
        else:
            found, start = SalesLayout.from_json(layout), 0
        window = fold(data[start:] if start else data, found, final=final)
        return FoldedWindow(
            consumed=start + window.consumed,
            rows=window.partial.rows,
            bad_rows=window.partial.bad_rows,
            state=window.partial.encode(),
            layout=found.to_json(),
        )

    def merge(self, states: Sequence[bytes]) -> bytes:
        return _merged(states).encode()

    def finish(self, states: Sequence[bytes], *, job_id: uuid.UUID, token: uuid.UUID) -> Result:
        departments = list(_merged(states).departments())
        name = results.store_csv(departments, job_id=job_id, token=token)
        by_total = sorted(departments, key=lambda pair: (-pair[1], pair[0]))
        totals = [
            DepartmentTotal(job_id=job_id, name=department, total=str(total), rank=rank)
            for rank, (department, total) in enumerate(by_total, start=1)
        ]

        def record() -> None:
            DepartmentTotal.objects.bulk_create(totals, batch_size=5000)

        return Result(fields={"result_name": name, "departments": len(totals)}, record=record, files=(name,))


def _merged(states: Sequence[bytes]) -> Partial:
    merged = Partial()
    for state in states:
        merged.merge(Partial.decode(state))
    return merged
