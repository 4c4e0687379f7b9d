"""Which network addresses are public, so that a page cannot lead Lorebot into the team's own network."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

# https://www.rfc-editor.org/rfc/rfc6890 and the IANA special-purpose registries: what older releases of
# `ipaddress` take for global.
_SPECIAL = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"), IPv4Network("100.64.0.0/10"))
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an IPv4 or IPv6 address is a global unicast address, and so is every IPv4 address inside it.

    An IPv6 address may hold an IPv4 address: mapped (RFC 4291), 6to4 (RFC 3056), Teredo (RFC 4380), NAT64
    (RFC 6052). False for text that is no address.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv4Address):
        return _is_public_v4(parsed)
    inner = _inside(parsed)
    if parsed.ipv4_mapped or parsed in _NAT64:
        return all(map(_is_public_v4, inner))
    return parsed in _GLOBAL_UNICAST and parsed.is_global and all(map(_is_public_v4, inner))


def _is_public_v4(address: IPv4Address) -> bool:
    is_special = (
        address.is_multicast or address.is_reserved or any(address in network for network in _SPECIAL)
    )
    return address.is_global and not is_special


def _inside(address: IPv6Address) -> tuple[IPv4Address, ...]:
    if address in _NAT64:
        return (IPv4Address(int(address) & 0xFFFFFFFF),)
    if address.ipv4_mapped:
        return (address.ipv4_mapped,)
    if address.sixtofour:
        return (address.sixtofour,)
    return address.teredo or ()
