from .building import Gathered, gather, saved_data
from .page import render, write_page
from .projector import write_projector
from .report_data import ReportData

__all__ = [
    "Gathered",
    "ReportData",
    "gather",
    "render",
    "saved_data",
    "write_page",
    "write_projector",
]
