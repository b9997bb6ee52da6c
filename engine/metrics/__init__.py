"""Measures of a selection beside annotated evidence, and the annotations themselves."""

from fewframes.metrics.annotations import Annotation, Event, read_annotations, write_annotations
from fewframes.metrics.measures import area, coverage, evidence, hits, uniform_expected

__all__ = [
    "Annotation",
    "Event",
    "area",
    "coverage",
    "evidence",
    "hits",
    "read_annotations",
    "uniform_expected",
    "write_annotations",
]
