"""Attempts at networks and at other processes through sockets. Each takes the one descriptor that the limit leaves room for."""

import socket

from attempt import STAGE, Attempt

AF_ALG, AF_VSOCK = 38, 40


def made(*arguments: int) -> socket.socket:
    return socket.socket(*arguments)


def creating(*arguments: int):
    return lambda: made(*arguments).close()


def connect_to(family: int, address):
    def attempt() -> None:
        with made(family, socket.SOCK_STREAM) as sock:
            sock.connect(address())

    return attempt


def send_datagram() -> None:
    with made(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert sock.sendto(b"x", STAGE.udp_address) == 1


def listen() -> None:
    with made(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()


def no_family(family: int):
    """Why this kernel has no sockets of a family, or nothing."""

    def reason() -> str:
        try:
            made(family, socket.SOCK_STREAM if family == AF_VSOCK else socket.SOCK_SEQPACKET).close()
        except OSError as err:
            return "" if err.errno != 97 else "this kernel has no such sockets"
        return ""

    return reason


ATTEMPTS = (
    Attempt(
        name="connect_tcp",
        tries="connect to a TCP port",
        do=connect_to(socket.AF_INET, lambda: STAGE.tcp_address),
        takes_slot=True,
    ),
    Attempt(
        name="connect_abstract",
        tries="connect to an abstract unix socket",
        do=connect_to(socket.AF_UNIX, lambda: STAGE.abstract),
        takes_slot=True,
    ),
    Attempt(
        name="connect_path",
        tries="connect to a unix socket in a folder",
        do=connect_to(socket.AF_UNIX, lambda: STAGE.path),
        takes_slot=True,
    ),
    Attempt(name="send_udp", tries="send a UDP datagram", do=send_datagram, takes_slot=True),
    Attempt(name="listen_tcp", tries="listen on a TCP port", do=listen, takes_slot=True),
    Attempt(
        name="raw_socket",
        tries="make a raw IP socket",
        do=creating(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
        takes_slot=True,
    ),
    Attempt(name="packet_socket", tries="make a packet socket", do=creating(socket.AF_PACKET, socket.SOCK_RAW), takes_slot=True),
    Attempt(name="netlink", tries="make a netlink socket", do=creating(socket.AF_NETLINK, socket.SOCK_RAW), takes_slot=True),
    Attempt(
        name="vsock",
        tries="make a socket to the machine's host (`AF_VSOCK`)",
        do=creating(AF_VSOCK, socket.SOCK_STREAM),
        impossible=no_family(AF_VSOCK),
        takes_slot=True,
    ),
    Attempt(
        name="kernel_crypto",
        tries="make a socket to the kernel's ciphers (`AF_ALG`)",
        do=creating(AF_ALG, socket.SOCK_SEQPACKET),
        impossible=no_family(AF_ALG),
        takes_slot=True,
    ),
    Attempt(name="socketpair", tries="`socketpair`", do=lambda: [sock.close() for sock in socket.socketpair()]),
)
