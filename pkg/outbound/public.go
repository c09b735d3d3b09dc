package outbound

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// ErrPrivate refuses an address inside the internal network. Neither a certificate nor a client may
// make this process call such an address (server-side request forgery).
var ErrPrivate = errors.New("the address is not public")

// ErrUnresolved refuses a host name that does not resolve on this machine, because then nobody can
// tell which address an HTTP proxy would call.
var ErrUnresolved = errors.New("the host name does not resolve here")

// Guard blocks calls to the internal network when somebody else chose the address (a client, a
// certificate). Without an HTTP proxy it checks each address at the moment of dialling, so a name
// cannot change its address after the check. An HTTP proxy resolves names itself. So with a proxy
// the guard resolves the name first and checks every address that it finds. The proxy may still
// resolve the name differently, so a proxy that can refuse private addresses should do so too.
type Guard struct {
	// Allow lists address ranges that may be called although they are not public.
	Allow []netip.Prefix
	// Hosts lists host names, and domain endings, that may be called through an HTTP proxy without
	// being resolved here. It is for machines that cannot resolve outside names. "example.com" covers
	// example.com and www.example.com, but not badexample.com.
	Hosts []string
	// Setting is the name of the setting that fills Hosts. Error messages use it.
	Setting string
	// Resolver resolves names. Nil means net.DefaultResolver.
	Resolver Resolver
}

// Resolver is the part of net.Resolver that Guard uses.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// lookupTimeout bounds the look-up of one name. The resolver's own limit is about 5 s for each
// server that it asks.
const lookupTimeout = 10 * time.Second

// control is the Control function of a net.Dialer. It refuses every address that is not public.
func (g *Guard) control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("check address: %w", ErrPrivate)
	}
	return checkAddress(ap.Addr(), g.Allow)
}

// checkProxied decides whether an HTTP proxy may be asked to call u. It returns nil, ErrPrivate or
// ErrUnresolved.
func (g *Guard) checkProxied(ctx context.Context, u *url.URL) error {
	host := hostOf(u)
	if numeric, err := checkName(host, g.Allow); numeric || err != nil {
		return err
	}
	if g.listed(host) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	var resolver Resolver = net.DefaultResolver
	if g.Resolver != nil {
		resolver = g.Resolver
	}
	// The trailing dot switches search domains off, because the proxy does not use ours.
	addresses, err := resolver.LookupNetIP(ctx, "ip", host+".")
	if err != nil || len(addresses) == 0 {
		return fmt.Errorf("%w, and %s does not list it", ErrUnresolved, cmp.Or(g.Setting, "the configuration"))
	}
	for _, a := range addresses {
		if err := checkAddress(a, g.Allow); err != nil {
			return err
		}
	}
	return nil
}

// listed reports whether host is one of Hosts or is below one of them.
func (g *Guard) listed(host string) bool {
	for _, h := range g.Hosts {
		h = strings.ToLower(strings.Trim(h, "."))
		if host == h || h != "" && strings.HasSuffix(host, "."+h) {
			return true
		}
	}
	return false
}

// special are ranges that netip has no method for: shared address space, benchmarking,
// documentation, NAT64 and 6to4 (which contain IPv4 addresses), Teredo, reserved.
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

// CheckHost returns ErrPrivate for a URL whose host is a numeric address that is not public, or a
// local name of this machine. It does not resolve names: a Guard checks the addresses of names.
func CheckHost(address string, allow []netip.Prefix) error {
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("the address is not a URL")
	}
	_, err = checkName(hostOf(u), allow)
	return err
}

// hostOf returns the host of u in lower case, without port, brackets and trailing dot.
func hostOf(u *url.URL) string {
	return strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
}

// checkName checks a host as far as possible without resolving it. numeric is true for an IP
// address that may be called.
func checkName(host string, allow []netip.Prefix) (numeric bool, err error) {
	last := host[strings.LastIndexByte(host, '.')+1:]
	if a, err := netip.ParseAddr(host); err == nil {
		return true, checkAddress(a, allow)
	}
	switch {
	case last == "localhost": // RFC 6761 6.3
		return false, checkAddress(netip.AddrFrom4([4]byte{127, 0, 0, 1}), allow)
	case last == "" || strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x"):
		return false, ErrPrivate // some resolvers read 2130706433, 0x7f.1 and 127.1 as addresses
	}
	return false, nil
}
