"""Which addresses are of the public internet."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

# Not left to `ipaddress` alone: what it calls global differs between patch releases of Python.
_NOT_PUBLIC = [
    ip_network(block)
    for block in (
        "192.0.0.0/24",  # protocol assignments; a cloud keeps its metadata there
        "192.88.99.0/24",  # 6to4 relays
        "168.63.129.16/32",  # Azure's host agent, reachable from every machine there
        "2001::/23",  # protocol assignments, Teredo among them
        "3fff::/20",  # documentation
    )
]
_UNICAST_V6 = ip_network("2000::/3")  # all that was ever handed out; fec0::/10 and more are not
_NAT64 = ip_network("64:ff9b::/96")


def is_public(text: str) -> bool:
    """Whether an address, as the system writes it, is one of the public internet."""
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        address = _translated(address) or address
    if isinstance(address, IPv6Address):
        relayed = address.sixtofour
        if address.scope_id or address not in _UNICAST_V6 or (relayed and not _plain(relayed)):
            return False
    return _plain(address)


def _translated(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that a mapped or NAT64 address stands for."""
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped


def _plain(address: IPv4Address | IPv6Address) -> bool:
    listed = any(address in block for block in _NOT_PUBLIC)
    return address.is_global and not (listed or address.is_multicast or address.is_reserved)
