"""An address is believed as far as the proxies that were named, and no further."""

from __future__ import annotations

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from api.addresses import client_address, household

PEER = "10.0.0.9"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, None, PEER),
        (0, "192.0.2.1", PEER),
        (1, None, PEER),
        (1, "192.0.2.1", "192.0.2.1"),
        (1, "6.6.6.6, 192.0.2.1", "192.0.2.1"),
        (2, "6.6.6.6, 192.0.2.1, 10.0.0.8", "192.0.2.1"),
        (2, "192.0.2.1", PEER),
        (1, "192.0.2.1:4711", "192.0.2.1"),
        (1, "2001:DB8::1", "2001:db8::1"),
        (1, "[2001:db8::1]:4711", "2001:db8::1"),
        (1, "unknown", PEER),
        (1, "", PEER),
        (1, "192.0.2.1,", PEER),
    ],
)
def test_the_client_stands_as_many_places_from_the_end_as_there_are_proxies(
    settings: Settings, proxies: int, forwarded: str | None, address: str
) -> None:
    settings.TRUSTED_PROXIES = proxies
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    request = RequestFactory().get("/", REMOTE_ADDR=PEER, headers=headers)

    assert client_address(request) == address


def test_a_socket_file_has_no_address() -> None:
    request = RequestFactory().get("/")
    del request.META["REMOTE_ADDR"]

    assert client_address(request) == ""


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("", ""),
    ],
)
def test_all_addresses_of_one_household_count_as_one(address: str, counted: str) -> None:
    assert household(address) == counted
