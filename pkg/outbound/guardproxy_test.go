package outbound_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
)

// names is a resolver with a fixed table. Names that are not in it do not resolve.
type names map[string][]string

func (n names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	var found []netip.Addr
	for _, text := range n[strings.TrimSuffix(host, ".")] {
		found = append(found, netip.MustParseAddr(text))
	}
	if found == nil {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return found, nil
}

// TestGuardBehindProxy checks what an HTTP proxy is asked for. The proxy itself would call every
// address, so only the guard can refuse.
func TestGuardBehindProxy(t *testing.T) {
	var asked atomic.Int32
	proxy := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		_, _ = io.WriteString(w, "reached "+r.URL.Host)
	})
	config := proxyAt(t, strings.TrimPrefix(proxy.URL, "http://"))
	config.Breaker.Failures = -1
	config.Guard = &outbound.Guard{
		Allow: []netip.Prefix{
			netip.MustParsePrefix("10.1.0.0/16"),
		},
		Hosts:   []string{"partner.example", ".Listed.example."},
		Setting: "--callback.hosts",
		Resolver: names{
			"receiver.example": {
				"93.184.216.34",
				"2606:2800:220:1::1",
			},
			"intranet.corp.example":       {"10.2.0.1"},
			"169-254-169-254.nip.example": {"169.254.169.254"},
			"metadata.google.internal": {
				"169.254.169.254",
			},
			"mixed.example":        {"93.184.216.34", "127.0.0.1"},
			"allowed.corp.example": {"10.1.2.3"},
			"mapped.example":       {"::ffff:127.0.0.1"},
		},
	}
	client := newClient(t, config)
	for host, want := range map[string]error{
		"receiver.example": nil, "RECEIVER.example.": nil, "allowed.corp.example:8080": nil, "93.184.216.34": nil,
		"10.1.2.3":        nil,
		"partner.example": nil, "a.b.partner.example:81": nil, "listed.example": nil, "x.listed.example": nil,
		"intranet.corp.example": outbound.ErrPrivate, "169-254-169-254.nip.example": outbound.ErrPrivate,
		"metadata.google.internal": outbound.ErrPrivate,
		"mixed.example":            outbound.ErrPrivate, "mapped.example": outbound.ErrPrivate,
		"10.2.0.1":  outbound.ErrPrivate,
		"localhost": outbound.ErrPrivate,
		"127.1":     outbound.ErrPrivate, "[::1]": outbound.ErrPrivate,
		"unknown.example": outbound.ErrUnresolved, "intranet": outbound.ErrUnresolved,
		"badpartner.example":               outbound.ErrUnresolved,
		"partner.example.attacker.example": outbound.ErrUnresolved,
	} {
		asked.Store(0)
		a, err := outbound.Exchange(client, post(t.Context(), t, "http://"+host+"/"), 1000)
		if !errors.Is(err, want) || (err == nil) != (asked.Load() == 1) {
			t.Errorf("%s: Exchange = %v, the proxy was asked %d times; want %v", host, err, asked.Load(), want)
		}
		var lost *outbound.LostError
		if want != nil && (!errors.As(err, &lost) || lost.Sent) {
			t.Errorf("%s: %v does not say that nothing was sent", host, err)
		}
		if want == nil && err == nil && a.Status != http.StatusOK {
			t.Errorf("%s: status %d", host, a.Status)
		}
		if errors.Is(want, outbound.ErrUnresolved) && err != nil && !strings.Contains(err.Error(), "--callback.hosts") {
			t.Errorf("%s: %v does not name the setting", host, err)
		}
	}
}

// TestGuardRefusalIsNotTheHostsFault checks that the breaker stays closed when the guard refuses a
// host more often than the breaker allows failures.
func TestGuardRefusalIsNotTheHostsFault(t *testing.T) {
	config := proxyAt(t, closedPort(t))
	config.Breaker = outbound.Breaker{
		Failures: 1,
		Changed:  func(host string, s outbound.State) { t.Errorf("breaker of %s: %s", host, s) },
	}
	config.Guard = &outbound.Guard{Resolver: names{}}
	client := newClient(t, config)
	for range 3 {
		if _, err := outbound.Exchange(client, post(t.Context(), t, "http://unknown.example/"), 10); !errors.Is(
			err, outbound.ErrUnresolved,
		) {
			t.Errorf("Exchange = %v, want ErrUnresolved", err)
		}
	}
}
