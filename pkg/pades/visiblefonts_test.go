package pades

import (
	"context"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/pades/appearance/font"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestVisibleWithOwnFonts signs with a text that the built-in fonts cannot draw. Without own fonts
// it is refused before there is a digest, and with them it is signed. Every reader must find the
// signature valid.
func TestVisibleWithOwnFonts(t *testing.T) {
	chinese := func(v *signing.VisibleSignature) {
		v.OneOffTemplate = "签署人：张伟\nمحمد بن عبد الله"
	}
	_, err := signVisible(t, golden(t), chinese)
	if e := signing.AsError(err); err == nil || e.Kind != signing.KindVisible ||
		!strings.Contains(e.Detail, "no font has U+7B7E (签)") {
		t.Errorf("sign = %v, want %q that names U+7B7E", err, signing.KindVisible)
	}
	fonts, err := font.OpenLibrary("appearance/testdata/fonts")
	if err != nil {
		t.Fatal(err)
	}
	f, k, in := &Format{Fonts: fonts}, rsaKey(), visibleInput(t, golden(t), chinese)
	p, err := f.Prepare(context.Background(), in, k.credential)
	if err != nil {
		t.Fatal(err)
	}
	section, _, err := f.Embed(context.Background(), in, p, k.sign(t, p.Digest))
	if err != nil {
		t.Fatal(err)
	}
	signed := append(golden(t), section...)
	verifyAll(t, signed, 1)
	askOthers(t, k).check(t, golden(t), signed, "--visible")
	if n := len(section); n > 45<<10 {
		t.Errorf("the signature took %d bytes, want at most 45 KiB", n)
	}
}
