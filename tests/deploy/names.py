"""A server of names for a pod's network: every name is on this machine."""

import socket
import struct
import threading

A, IN = 1, 1
LOOPBACK = bytes([127, 0, 0, 1])


class Names(threading.Thread):
    """Answers until it is closed, from within a network, and keeps what it was asked."""

    def __init__(self, network):
        super().__init__()
        self.asked = set()
        self.socket = network.run(bound)
        self.start()

    def run(self):
        while True:
            query, sender = self.socket.recvfrom(512)
            if not query:
                return
            self.socket.sendto(self.answer(query), sender)

    def answer(self, query):
        question, name, kind = parse(query)
        self.asked.add(name)
        answers = 1 if kind == A else 0
        header = query[:2] + struct.pack(">HHHHH", 0x8180, 1, answers, 0, 0)
        record = struct.pack(">HHHIH", 0xC00C, A, IN, 60, len(LOOPBACK)) + LOOPBACK
        return header + question + record * answers

    def close(self):
        # An empty datagram ends it.
        self.socket.sendto(b"", self.socket.getsockname())
        self.join()
        self.socket.close()


def bound():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    return server


def parse(query):
    """The question's bytes, its name and its type."""
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return query[12 : at + 5], ".".join(labels), struct.unpack(">H", query[at + 1 : at + 3])[0]
