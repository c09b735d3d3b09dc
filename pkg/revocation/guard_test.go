package revocation

import (
	"crypto/x509"
	"errors"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

func TestCheckURL(t *testing.T) {
	for address, want := range map[string]bool{
		"http://ocsp.example": true, "https://ocsp.example:8443/x?y": true,
		"ldap://directory.example/cn=x": false, "file:///etc/passwd": false, "gopher://x": false,
		"http://user:secret@x": false,
		"http://":              false, "": false, "http://[::1": false, "//x": false,
	} {
		if err := checkURL(address); (err == nil) != want {
			t.Errorf("checkURL(%s) = %v, want accepted %v", address, err, want)
		}
	}
}

// TestPrivateAddressesAreNotAsked checks that a certificate cannot make us call an internal host,
// either by address or by name.
func TestPrivateAddressesAreNotAsked(t *testing.T) {
	for _, byName := range []bool{false, true} {
		w := newWorld(t, shape{noCRL: true, change: func(c *x509.Certificate) {
			if byName {
				c.OCSPServer[0] = "http://localhost" + c.OCSPServer[0][len("http://127.0.0.1"):]
			}
		}})
		w.cfg.AllowPrivate = nil
		_, _, _, err := w.gatherer(t).Gather(t.Context(), w.chain())
		if signing.KindOf(err) != signing.KindRevocation || !errors.Is(err, outbound.ErrPrivate) {
			t.Errorf("by name %v: Gather = %v, want KindRevocation since the address is not public", byName, err)
		}
		if n := w.responder.Requests("/"); n != 0 {
			t.Errorf("by name %v: %d requests arrived, want 0", byName, n)
		}
	}
}
