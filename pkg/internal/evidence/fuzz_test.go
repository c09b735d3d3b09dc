package evidence

import (
	"crypto/x509"
	"math/big"
	"testing"
)

func FuzzParseScope(f *testing.F) {
	f.Add([]byte{0x30, 3, 0x81, 1, 0xff})
	f.Fuzz(func(t *testing.T, in []byte) {
		if s, err := parseScope(in); err == nil {
			_ = s.Covers(&x509.Certificate{})
		}
	})
}

func FuzzNames(f *testing.F) {
	f.Add([]byte{0x30, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		_ = names(in, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{})
	})
}
