"""Which figures there can be, by what is defined: those that have not happened yet have no series."""

from collections.abc import Iterator

from prometheus_client.metrics import MetricWrapperBase

from accounts import metrics

ENDINGS = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_count", "_sum"]}


def ours() -> Iterator[MetricWrapperBase]:
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            yield metric


def names() -> set[str]:
    """Of all series that can come of them."""
    return {f"{metric._name}{ending}" for metric in ours() for ending in ENDINGS[str(metric._type)]}
