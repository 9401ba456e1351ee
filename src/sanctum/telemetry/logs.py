"""JSON logs on standard output, written by a thread behind a bounded queue.

Nothing waits for a slow reader of the logs, neither the event loop nor the end of the process: a
full queue drops and counts records, and a writer that is stuck is left behind.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

QUEUE_RECORDS_MAX = 1000
CLOSE_TIMEOUT_S = 0.3
STANDARD_OUTPUT = 1


class JsonFormatter(logging.Formatter):
    """Render a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Give time, level, logger, message, and the record's own fields."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            line.update(fields)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class Logs(logging.Handler):
    """Own the root logger's output between entering and leaving the context."""

    def __init__(self, level: str, descriptor: int = STANDARD_OUTPUT) -> None:
        """Prepare to write records of a level and above.

        Args:
            level: the name of the level, in lower case.
            descriptor: the open file to write to, by its descriptor: a buffered stream would keep
                the process from ending while its reader is stuck.
        """
        super().__init__()
        self.setFormatter(JsonFormatter())
        self._root_level = level.upper()
        self._descriptor = descriptor
        self._lines: queue.Queue[bytes | None] = queue.Queue(QUEUE_RECORDS_MAX)
        self._writer = threading.Thread(target=self._write, name="logs", daemon=True)
        self.dropped = 0

    @property
    def waiting(self) -> int:
        """Give the number of records not yet written."""
        return self._lines.qsize()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a record, or drop it when the queue is full.

        One that cannot be rendered must not fail whoever logs: it is written as what went wrong.
        """
        try:
            line = self.format(record)
        except (TypeError, ValueError, RecursionError) as error:
            line = json.dumps({"level": "error", "message": f"no log record: {error}"[:1000]})
        self._enqueue(line.encode(errors="replace") + b"\n")

    def __enter__(self) -> Self:
        root = logging.getLogger()
        root.setLevel(self._root_level)
        root.addHandler(self)
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
        self._writer.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        logging.getLogger().removeHandler(self)
        self._enqueue(None)
        self._writer.join(CLOSE_TIMEOUT_S)

    def _enqueue(self, line: bytes | None) -> None:
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self.dropped += 1

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                while line:
                    line = line[os.write(self._descriptor, line) :]
            except OSError:
                self.dropped += 1
