"""What others have published, record by record: queries of data sets, and outcomes that were logged."""

from __future__ import annotations

from adaqueue.core.importers.data_sets import DATA_SETS, DataSet, Hub
from adaqueue.core.importers.inspect_log import InspectLog
from adaqueue.core.importers.lm_eval import LmEvalLog
from adaqueue.core.importers.logs import Asked, OutcomeLog

__all__ = ["DATA_SETS", "DataSet", "Hub", "InspectLog", "LmEvalLog", "Asked", "OutcomeLog"]
