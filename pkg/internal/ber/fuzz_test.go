package ber_test

import (
	"bytes"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/ber"
)

// FuzzToDER checks that one call of ToDER gives DER form, and that a second call changes nothing.
func FuzzToDER(f *testing.F) {
	f.Add([]byte{0x30, 0x80, 0x24, 0x80, 0x04, 0x01, 0x01, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00})
	f.Add([]byte{0x30, 0x81, 0x02, 0x05, 0x00})
	f.Add([]byte{0x3f, 0x81, 0x01, 0x80, 0x00, 0x00})
	f.Fuzz(func(t *testing.T, in []byte) {
		der, size, was, err := ber.ToDER(in)
		if err != nil {
			return
		}
		if size > len(in) || len(der) > size+4*size {
			t.Errorf("size %d of %d, %d bytes of DER", size, len(in), len(der))
		}
		again, n, stays, err := ber.ToDER(der)
		if err != nil || !stays || n != len(der) || !bytes.Equal(again, der) {
			t.Errorf("ToDER(DER) = %d of %d bytes, %v, %v; want it unchanged", n, len(der), stays, err)
		}
		if was && !bytes.Equal(der, in[:size]) {
			t.Error("it was DER, yet was changed")
		}
	})
}
