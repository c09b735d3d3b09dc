package signing_test

import (
	"crypto/x509"
	"math/big"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestSerial writes serial numbers as openssl does.
func TestSerial(t *testing.T) {
	large := new(big.Int).Lsh(big.NewInt(0xab), 152) // 20 bytes, RFC 5280 4.1.2.2
	for want, serial := range map[string]*big.Int{
		"00": big.NewInt(0), "0A": big.NewInt(10), "7F": big.NewInt(127), "0123": big.NewInt(0x123),
		"-01": big.NewInt(-1), "AB00000000000000000000000000000000000000": large,
	} {
		c := &signing.Credential{Chain: []*x509.Certificate{{SerialNumber: serial}}}
		if got := c.Serial(); got != want {
			t.Errorf("Serial of %v = %q, want %q", serial, got, want)
		}
	}
}
