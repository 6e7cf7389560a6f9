"""Who is behind which address: the one place that reads it off a request."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

# What one household is given; whoever has one address of it has them all.
_HOUSEHOLD_BITS = 64


def client_address(request: HttpRequest) -> str:
    """Return the address that a request comes from; empty when it comes over a socket file.

    `X-Forwarded-For` is believed as far as TRUSTED_PROXIES reach: each of them adds to its end
    whom it heard, so that the client stands that many places from the end. What is further left
    was written by the client. With fewer entries the request has passed by a proxy, and the
    address that it came from is all that is known.
    """
    peer = str(request.META.get("REMOTE_ADDR") or "")
    heard = str(request.META.get("HTTP_X_FORWARDED_FOR", "")).split(",")
    count: int = settings.TRUSTED_PROXIES
    if not count or len(heard) < count:
        return peer
    return _address(heard[-count].strip()) or peer


def household(address: str) -> str:
    """Return what is counted for an address: itself, or the /64 network of an IPv6 address."""
    try:
        known = ip_address(address)
    except ValueError:
        return address
    if not isinstance(known, IPv6Address):
        return str(known)
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    return str(ip_network((int(known), _HOUSEHOLD_BITS), strict=False))


def _address(text: str) -> str:
    """Read `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`; empty otherwise."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return ""
