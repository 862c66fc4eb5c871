"""A network cable that can be cut: a TCP proxy on loopback."""

import contextlib
import socket
import threading


class Cable:
    """Forwards connections to `port`; cuts all of them once, after `cut_after` bytes have gone to the server."""

    def __init__(self, port: int, *, cut_after: int) -> None:
        self._target = port
        self._left = cut_after
        self.cuts = 0
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def end(self) -> None:
        # shutdown() wakes the thread that waits in accept(); close() alone would leave it there.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._close_all()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            with self._lock:
                self._open |= {client, server}
            threading.Thread(target=self._forward, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._forward, args=(server, client, False), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
                if counted and self._is_enough(len(data)):
                    self._close_all()
                    return
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _is_enough(self, size: int) -> bool:
        with self._lock:
            before, self._left = self._left, self._left - size
            cut = before > 0 >= self._left
            self.cuts += cut
            return cut

    def _close_all(self) -> None:
        with self._lock:
            doomed, self._open = self._open, set()
        for end in doomed:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
