package revocation

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"syscall"
)

// errPrivate refuses an address inside: a certificate must not make this process ask its own network (server-side request forgery).
var errPrivate = errors.New("the address is not public")

// OnlyPublic returns a net.Dialer's Control that refuses every address that is not public, unless it lies in one of allow. It looks at
// the address that is dialled, so that no name can be made to mean another one in between.
func OnlyPublic(allow []netip.Prefix) func(network, address string, _ syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("check address: %w", errPrivate)
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
		return errPrivate
	}
	return nil
}

// maxURLBytes bounds an address taken from a certificate.
const maxURLBytes = 2048

// checkURL refuses what is no plain http or https address.
func checkURL(address string) error {
	u, err := url.Parse(address)
	if err != nil || len(address) > maxURLBytes || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("the address is not one of http or https")
	}
	return nil
}

// checkHost refuses an address that is written as numbers and not public. The dialler sees to names; behind an outbound proxy, which
// resolves them itself, that proxy has to.
func checkHost(address string, allow []netip.Prefix) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		return checkAddress(a, allow)
	}
	return nil
}
