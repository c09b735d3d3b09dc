package outbound

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
)

// ErrPrivate refuses an address inside: neither a certificate nor a client may make this process ask its own network (server-side request
// forgery).
var ErrPrivate = errors.New("the address is not public")

// OnlyPublic returns a net.Dialer's Control that refuses every address that is not public, unless it lies in one of allow. It looks at
// the address that is dialled, so that no name can be made to mean another one in between.
func OnlyPublic(allow []netip.Prefix) func(network, address string, _ syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("check address: %w", ErrPrivate)
		}
		return checkAddress(ap.Addr(), allow)
	}
}

// special are ranges that netip has no word for: shared address space, benchmarking, documentation, NAT64 and 6to4 (which hold IPv4
// addresses), Teredo, reserved.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/32"),
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("fec0::/10"),
}

func checkAddress(a netip.Addr, allow []netip.Prefix) error {
	a = a.Unmap().WithZone("")
	for _, p := range allow {
		if p.Contains(a) {
			return nil
		}
	}
	public := a.IsGlobalUnicast() && !a.IsPrivate() // not loopback, link-local, multicast or unspecified
	for _, p := range special {
		public = public && !p.Contains(a)
	}
	if !public {
		return ErrPrivate
	}
	return nil
}

// CheckHost refuses a URL whose host is written as numbers, or is this machine by name, and not public: ErrPrivate. The dialler sees to
// other names; behind an outbound proxy, which resolves them itself, that proxy has to.
func CheckHost(address string, allow []netip.Prefix) error {
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("the address is not a URL")
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	last := host[strings.LastIndexByte(host, '.')+1:]
	if a, err := netip.ParseAddr(host); err == nil {
		return checkAddress(a, allow)
	}
	switch {
	case last == "localhost": // RFC 6761 6.3
		return checkAddress(netip.AddrFrom4([4]byte{127, 0, 0, 1}), allow)
	case last == "" || strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x"):
		return ErrPrivate // 2130706433, 0x7f.1 and 127.1 are addresses to some resolvers and in no list
	}
	return nil
}
