package jsonstream

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"testing"
)

// TestBase64Tables compares encodeBase64 and decodeBase64 with encoding/base64, for all short
// lengths and with each byte in each place. It checks that they write nothing behind their result.
func TestBase64Tables(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	behind := bytes.Repeat([]byte{'#'}, 64)
	for n := range 300 {
		plain := make([]byte, n)
		for i := range plain {
			plain[i] = byte(random.Uint32())
		}
		want := base64.StdEncoding.EncodeToString(plain)
		text := append(make([]byte, len(want)), behind...)
		encodeBase64(text[:len(want)], plain)
		if string(text) != want+string(behind) {
			t.Fatalf("%d bytes are encoded as %q, want %q", n, text, want)
		}
		size := n / 3 * 3 // of whole quanta, as Base64 decodes them
		decoded := append(make([]byte, size), behind...)
		ok := decodeBase64(decoded[:size], []byte(want)[:n/3*4])
		if !ok || !bytes.Equal(decoded, append(plain[:size:size], behind...)) {
			t.Fatalf("%q is decoded as %q, want %q", want, decoded, plain)
		}
	}
	text := bytes.Repeat([]byte("A"), 64)
	for place := range text {
		for b := range 256 {
			text[place] = byte(b)
			var got, want [48]byte
			n, err := base64.StdEncoding.Decode(want[:], text)
			good := err == nil && n == len(want)
			if decodeBase64(got[:], text) != good || good && got != want {
				t.Fatalf("with byte %#x at %d: decodeBase64 = %v, want %v", b, place, !good, good)
			}
		}
		text[place] = 'A'
	}
}
