"""Work beside the test's own thread, for transfers too large to fit into socket buffers."""

import threading

from .waiting import DEFAULT_LIMIT, TooLong, scaled


class Background:
    """Runs `what` in a thread from construction on; result() joins and returns its value or raises its exception."""

    def __init__(self, what, *args):
        self._value = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(what, args), daemon=True)
        self._thread.start()

    def _run(self, what, args) -> None:
        try:
            self._value = what(*args)
        except BaseException as error:
            self._error = error

    def result(self, limit: float = 4 * DEFAULT_LIMIT):
        self._thread.join(scaled(limit))
        if self._thread.is_alive():
            raise TooLong("the background work does not end")
        if self._error:
            raise self._error
        return self._value
