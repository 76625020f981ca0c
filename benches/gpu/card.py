"""The card and its memory, as NVIDIA's management library sees them; it comes with the driver."""

import ctypes
import threading


class MemoryInfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_ulonglong) for name in ("total", "free", "used")]


class Card:
    """The first card."""

    def __init__(self):
        self.library = ctypes.CDLL("libnvidia-ml.so.1")
        self.handle = ctypes.c_void_p()
        name = ctypes.create_string_buffer(96)
        self.call("nvmlInit_v2")
        self.call("nvmlDeviceGetHandleByIndex_v2", 0, ctypes.byref(self.handle))
        self.call("nvmlDeviceGetName", self.handle, name, len(name))
        self.name = name.value.decode()

    @classmethod
    def first(cls):
        """`None` where it cannot be asked: memory is then not measured."""
        try:
            return cls()
        except (OSError, AttributeError):
            return None

    def call(self, name, *arguments):
        code = getattr(self.library, name)(*arguments)
        if code != 0:
            raise OSError(f"{name}: {code}")

    def used(self):
        """MB (10^6 bytes)."""
        info = MemoryInfo()
        self.call("nvmlDeviceGetMemoryInfo", self.handle, ctypes.byref(info))
        return info.used / 1e6


class Memory:
    """The most that a card held while this is open, in MB above what it held before."""

    def __init__(self, card):
        self.card, self.peak = card, None

    def watch(self):
        while not self.over.wait(0.02):
            self.most = max(self.most, self.card.used())

    def __enter__(self):
        if self.card:
            self.before = self.most = self.card.used()
            self.over = threading.Event()
            self.thread = threading.Thread(target=self.watch)
            self.thread.start()
        return self

    def __exit__(self, *_):
        if self.card:
            self.over.set()
            self.thread.join()
            self.peak = self.most - self.before
