"""Pictures from public addresses, where a server allows them: nothing inside its own network can be reached.

A host's addresses are looked up once, every one of them must be public, and the connection goes to the
address that was checked, so that a second look-up cannot lead elsewhere (DNS rebinding). A redirect is a
new address.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from urllib.parse import urljoin, urlsplit

import httpx2 as httpx

from shelfwise.errors import PictureError

MOST_REDIRECTS = 3
TIMEOUT_S = 5.0
_PORTS = {"http": 80, "https": 443}
_TRANSLATED = tuple(
    ipaddress.ip_network(net)
    for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "3fff::/20")
)
"""IPv6 that stands for an IPv4 address which we would have to judge instead, or for nothing (RFC 9637)."""
_ASSIGNED = ipaddress.ip_network("2000::/3")
"""All of IPv6 that is routed on the internet (RFC 4291, section 2.4)."""
_REDIRECTS = (301, 302, 303, 307, 308)

Resolve = Callable[[str, int], Awaitable[list[str]]]


async def resolve(host: str, port: int) -> list[str]:
    """All addresses of a host; OSError where it has none."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def is_public(address: str) -> bool:
    """Whether an address is one of the public internet, and no other's disguise."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        if ip not in _ASSIGNED or any(ip in net for net in _TRANSLATED):
            return False
    return ip.is_global and not ip.is_multicast


class Fetcher:
    """Gets pictures of at most `most` bytes. `resolver` and `transport` are for tests."""

    def __init__(
        self, most: int, *, resolver: Resolve = resolve, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._most, self._resolve = most, resolver
        self._client = httpx.AsyncClient(
            transport=transport, trust_env=False, follow_redirects=False, timeout=TIMEOUT_S
        )

    async def get(self, url: str) -> bytes:
        """The bytes behind an address; PictureError of kind `picture_url` where they cannot be had."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                for _ in range(MOST_REDIRECTS + 1):
                    found = await self._once(url)
                    if isinstance(found, bytes):
                        return found
                    url = urljoin(url, found)
        except TimeoutError:
            raise _refused(f"no answer within {TIMEOUT_S:.0f} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            raise _refused(f"it cannot be fetched ({type(error).__name__})") from None
        raise _refused(f"more than {MOST_REDIRECTS} redirects")

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _once(self, url: str) -> bytes | str:
        """One request: the picture, or where it has gone."""
        host, request = await self._request(url)
        response = await self._client.send(request, stream=True)
        try:
            if response.status_code in _REDIRECTS:
                return response.headers.get("location") or url
            if response.status_code != 200:
                raise _refused(f"{host} answers {response.status_code}")
            parts, size = [], 0
            async for part in response.aiter_raw():
                size += len(part)
                if size > self._most:
                    raise _refused(f"it has more than {self._most / 1e6:g} MB")
                parts.append(part)
            return b"".join(parts)
        finally:
            await response.aclose()

    async def _request(self, url: str) -> tuple[str, httpx.Request]:
        """A request to the checked address of a host."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise _refused("it is no address") from None
        if parts.scheme not in _PORTS or not host or parts.username is not None:
            raise _refused("only plain http and https addresses are fetched")
        if port not in (None, _PORTS[parts.scheme]):
            raise _refused("only the usual ports are fetched from")
        port = _PORTS[parts.scheme]
        addresses = await self._resolve(host, port)
        if not addresses or not all(is_public(address) for address in addresses):
            # The same words whether it is private or unknown: nobody can map our network by asking.
            raise _refused("its host has no public address")
        address = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
        target = f"{parts.scheme}://{address}{parts.path or '/'}" + (f"?{parts.query}" if parts.query else "")
        request = self._client.build_request(
            "GET",
            target,
            headers={
                "host": host,
                "accept": "image/*",
                "accept-encoding": "identity",
                "user-agent": "shelfwise",
            },
            extensions={"sni_hostname": host},
        )
        return host, request


def _refused(why: str) -> PictureError:
    return PictureError("picture_url", f"the picture's address was not used: {why}")
