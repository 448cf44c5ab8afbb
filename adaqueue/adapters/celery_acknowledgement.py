"""Keeps a worker from going deaf when its connection breaks while it acknowledges a message.

kombu logs the fault and still counts the message as held. With one message fetched ahead that is the limit:
it would never fetch again, without any further fault that could start the worker afresh.
"""

from __future__ import annotations

import logging
from typing import Any

from celery import bootsteps
from celery.worker import state

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0


class AcknowledgesAgain(bootsteps.StartStopStep):
    """Acknowledges again, every second, what nobody works on and the broker still thinks is held."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._timer: Any = None

    def start(self, parent: Any) -> None:
        """Begins to look, on the worker's own loop."""
        self._timer = parent.timer.call_repeatedly(LOOK_SECONDS, acknowledge_again, (parent,))

    def stop(self, parent: Any) -> None:
        """Ends looking."""
        if self._timer is not None:
            self._timer.cancel()


def acknowledge_again(consumer: Any) -> None:
    """Acknowledges messages that were not, and belong to no task that is still to do it."""
    channel = consumer.task_consumer.channel
    to_do = {request.message.delivery_tag for request in state.reserved_requests if not request.acknowledged}
    for tag in set(channel.qos._delivered) - set(channel.qos._dirty) - to_do:
        try:
            channel.basic_ack(tag)
        except consumer.connection_errors as error:
            log.warning("message %s is not acknowledged yet: %s", tag, error)
