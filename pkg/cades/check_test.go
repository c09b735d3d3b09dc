package cades

import (
	"bytes"
	"crypto/x509"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// assemble signs the sample and returns the assembly before its check.
func assemble(t *testing.T, w want) (*assembly, options, []byte, signing.Pieces) {
	t.Helper()
	p := pki()
	f := formatOf(p)
	in := w.input(sample)
	prepared, err := f.Prepare(t.Context(), in, p.Credential)
	if err != nil {
		t.Fatal(err)
	}
	s := must(readState(prepared.State))
	a := &assembly{Format: f, in: in, state: s, chains: [][]*x509.Certificate{must(s.chain())}}
	o := must(parseOptions(in.Signature))
	if err := a.start(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if err := a.sign(t.Context(), must(p.Sign(prepared.Digest)), in.Signature.Level); err != nil {
		t.Fatal(err)
	}
	section, pieces, err := a.finish(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.check(t.Context(), section, pieces, o); err != nil {
		t.Fatalf("the check of a good file: %v", err)
	}
	return a, o, section, pieces
}

// TestCheckLevel: the check finds that a level is not reached.
func TestCheckLevel(t *testing.T) {
	for i, level := range levels {
		a, o, section, pieces := assemble(t, want{level: level})
		for _, higher := range levels[i+1:] {
			a.in.Signature.Level = higher
			if level == signing.LevelT {
				a.gathered = [][]*x509.Certificate{{pki().Sub, pki().Root}, {pki().Sub, pki().Root}}
			}
			err := a.check(t.Context(), section, pieces, o)
			if err == nil || !strings.Contains(err.Error(), "level "+string(higher)) {
				t.Errorf("%s as %s: error = %v", level, higher, err)
			}
		}
	}
}

// TestCheckFinds: the check finds a signed file that is wrong.
func TestCheckFinds(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(a *assembly, o *options, section []byte, pieces signing.Pieces) ([]byte, signing.Pieces)
		want  string
	}{
		"signature value": {func(_ *assembly, _ *options, b []byte, p signing.Pieces) ([]byte, signing.Pieces) {
			b[len(b)-1] ^= 1
			return b, p
		}, "ECDSA signature does not match"},
		"cut off": {func(_ *assembly, _ *options, b []byte, p signing.Pieces) ([]byte, signing.Pieces) {
			p[2].To--
			return b[:len(b)-1], p
		}, "cut off"},
		"further bytes": {func(_ *assembly, _ *options, b []byte, p signing.Pieces) ([]byte, signing.Pieces) {
			p[2].To++
			return append(bytes.Clone(b), 'x'), p
		}, "bytes follow"},
		"content at another place": {func(_ *assembly, _ *options, b []byte, p signing.Pieces) ([]byte, signing.Pieces) {
			p[0].To--
			p[2].From--
			return b, p
		}, "check signed document"},
		"packaging": {func(_ *assembly, o *options, b []byte, p signing.Pieces) ([]byte, signing.Pieces) {
			o.detached = true
			return b, p
		}, "attached"},
		"another certificate": {func(a *assembly, _ *options, b []byte, p signing.Pieces) ([]byte, signing.Pieces) {
			a.state.Chain = [][]byte{pkis()["P-384"].Credential.Certificate().Raw}
			return b, p
		}, "another certificate"},
		"missing certificate": {func(a *assembly, _ *options, b []byte, p signing.Pieces) ([]byte, signing.Pieces) {
			a.state.Chain = append(a.state.Chain, pki().Root.Raw)
			return b, p
		}, "certificate of the chain is missing"},
		"another content": {func(a *assembly, _ *options, b []byte, p signing.Pieces) ([]byte, signing.Pieces) {
			a.state.ContentDigest[0]++
			return b, p
		}, "another digest"},
		"another signer": {func(a *assembly, _ *options, b []byte, p signing.Pieces) ([]byte, signing.Pieces) {
			a.state.Attributes = bytes.Clone(a.state.Attributes)
			a.state.Attributes[20]++
			return b, p
		}, "not exactly one signer"},
	} {
		a, o, section, pieces := assemble(t, want{})
		section, pieces = c.spoil(a, &o, section, pieces)
		err := a.check(t.Context(), section, pieces, o)
		if err == nil || signing.KindOf(err) != signing.KindInternal || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error = %v, want an internal one with %q", name, err, c.want)
		}
	}
}
