package pades

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestSignedMany signs one document many times. All signatures stay valid, for Verify and for
// pdfsig.
func TestSignedMany(t *testing.T) {
	k := rsaKey()
	for _, packed := range []bool{false, true} {
		m := onePage("", "")
		m.packed = packed
		file := m.bytes()
		for n := 1; n <= 50; n++ {
			before := file
			file = mustSign(t, &Format{}, k, before, signing.LevelB)
			if !bytes.HasPrefix(file, before) {
				t.Fatalf("signature %d: the output does not start with the input", n)
			}
			if n == 1 || n == 2 || n == 6 || n == 50 {
				checkAll(t, file, n)
			}
		}
	}
}

func checkAll(t *testing.T, file []byte, want int) {
	t.Helper()
	r, err := Verify(context.Background(), bytes.NewReader(file), int64(len(file)), VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Signatures) != want || !r.Valid() {
		t.Errorf("%d signatures, valid %v, want %d valid ones: %+v", len(r.Signatures), r.Valid(), want, r.Signatures)
	}
	tool, err := exec.LookPath("pdfsig")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("pdfsig is missing")
		}
		return
	}
	path := filepath.Join(t.TempDir(), "signed.pdf")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool, path).CombinedOutput()
	if got := strings.Count(string(out), "Signature is Valid."); err != nil || got != want {
		t.Errorf("pdfsig: %v, %d valid signatures, want %d", err, got, want)
	}
}

// TestAlgorithms signs with every kind of key and hash that a credential may have, with and without
// a stored state of the hash.
func TestAlgorithms(t *testing.T) {
	rsaSigner, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]crypto.Signer{"RSA": rsaSigner}
	for name, curve := range map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(),
		"P-521": elliptic.P521()} {
		if keys[name], err = ecdsa.GenerateKey(curve, rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	original := onePage("", "").bytes()
	for _, tt := range []struct {
		key       string
		algorithm signing.SignatureAlgorithm
		hash      crypto.Hash
	}{
		{"RSA", signing.RSAPKCS1, crypto.SHA256}, {"RSA", signing.RSAPKCS1, crypto.SHA384},
		{"RSA", signing.RSAPKCS1, crypto.SHA512},
		{"RSA", signing.RSAPSS, crypto.SHA256}, {"RSA", signing.RSAPSS, crypto.SHA512},
		{"P-256", signing.ECDSA, crypto.SHA256}, {"P-384", signing.ECDSA, crypto.SHA384},
		{"P-521", signing.ECDSA, crypto.SHA512},
	} {
		t.Run(fmt.Sprintf("%s %s %v", tt.key, tt.algorithm, tt.hash), func(t *testing.T) {
			k := newTestKey(keys[tt.key], tt.algorithm, tt.hash)
			signed := mustSign(t, &Format{}, k, original, signing.LevelB)
			checkSigned(t, signed, signing.LevelB)
			askOthers(t, k).check(t, original, signed)
		})
	}
}

// TestReadsOnce tests that only the needed objects of the original are read if its hash is known,
// and that it is read once completely otherwise.
func TestReadsOnce(t *testing.T) {
	k := rsaKey()
	original := largeDocument(4<<20, 2000)
	size := int64(len(original))
	for _, tt := range []struct {
		name     string
		hash     crypto.Hash
		midstate bool
		most     int64 // bytes read by Prepare
	}{{"at hand", crypto.SHA256, true, 64 << 10}, {"missing", crypto.SHA256, false, size + 64<<10},
		{"other hash", crypto.SHA384, true, size + 64<<10}} {
		t.Run(tt.name, func(t *testing.T) {
			c := *k.credential
			c.Hash = tt.hash
			other := *k
			other.credential = &c
			in := input(t, original, signing.LevelB)
			f := newFile(original)
			in.File = f
			if !tt.midstate {
				in.Midstate = nil
			}
			p, err := (&Format{}).Prepare(context.Background(), in, &c)
			if err != nil {
				t.Fatal(err)
			}
			if f.read > tt.most {
				t.Errorf("Prepare read %d bytes, want at most %d", f.read, tt.most)
			}
			f.read = 0
			section, _, err := (&Format{}).Embed(context.Background(), in, p, other.sign(t, p.Digest))
			if err != nil {
				t.Fatal(err)
			}
			if f.read > 64<<10 {
				t.Errorf("Embed read %d bytes of the original", f.read)
			}
			checkSigned(t, append(bytes.Clone(original), section...), signing.LevelB)
		})
	}
}

// TestMemory tests that a document of a hundred times the size, with a hundred times the objects,
// needs the same memory.
func TestMemory(t *testing.T) {
	k := rsaKey()
	allocated := func(size, objects int) uint64 {
		original := largeDocument(size, objects)
		in := input(t, original, signing.LevelB)
		sign := func() {
			p, err := (&Format{}).Prepare(context.Background(), in, k.credential)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := (&Format{}).Embed(context.Background(), in, p, k.sign(t, p.Digest)); err != nil {
				t.Fatal(err)
			}
		}
		sign()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		sign()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	small, large := allocated(200<<10, 300), allocated(20<<20, 30000)
	if large > small+64<<10 {
		t.Errorf("signing 20 MB allocates %d bytes, 200 KB %d", large, small)
	}
}

// TestPrepared tests that the Prepared value is small, can be used by another process, and gives
// the same section each time.
func TestPrepared(t *testing.T) {
	k := rsaKey()
	original := onePage("", "").bytes()
	in := input(t, original, signing.LevelB)
	p, err := (&Format{}).Prepare(context.Background(), in, k.credential)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(p.State, bytes.Repeat([]byte("MDAwMDAw"), 8)) || len(p.State) > 12<<10 {
		t.Errorf("the state has %d bytes, or holds the zeros that it reserves", len(p.State))
	}
	value := k.sign(t, p.Digest)
	first, _, err := (&Format{}).Embed(context.Background(), in, p, value)
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := (&Format{}).Embed(context.Background(), in, p, value)
	if err != nil || !bytes.Equal(first, again) {
		t.Errorf("Embed again = %d bytes, %v, want the same %d", len(again), err, len(first))
	}
	other := input(t, append(bytes.Clone(original), '\n'), signing.LevelB)
	if _, _, err := (&Format{}).Embed(context.Background(), other, p, value); err == nil {
		t.Error("a value for another document was embedded")
	}
}

// TestEmbedRefuses tests that Embed refuses a wrong signature value or a damaged Prepared value.
func TestEmbedRefuses(t *testing.T) {
	k := rsaKey()
	in := input(t, onePage("", "").bytes(), signing.LevelB)
	p, err := (&Format{}).Prepare(context.Background(), in, k.credential)
	if err != nil {
		t.Fatal(err)
	}
	value := k.sign(t, p.Digest)
	stranger := newTestKey(mustRSA(t), signing.RSAPKCS1, crypto.SHA256)
	change := func(edit func(*state)) signing.Prepared {
		s, err := readState(p.State)
		if err != nil {
			t.Fatal(err)
		}
		edit(s)
		return signing.Prepared{Digest: p.Digest, State: s.encode()}
	}
	flipped := bytes.Clone(value)
	flipped[10] ^= 1
	for _, tt := range []struct {
		name  string
		p     signing.Prepared
		value []byte
	}{
		{"another value", p, flipped},
		{"another key's value", p, stranger.sign(t, p.Digest)},
		{"no value", p, nil},
		{"value over another digest", p, k.sign(t, bytes.Repeat([]byte{1}, 32))},
		{"another chain", change(func(s *state) { s.Chain = rawChain(stranger.credential.Chain) }), value},
		{"chain without signer", change(func(s *state) { s.Chain = s.Chain[1:] }), value},
		{"no chain", change(func(s *state) { s.Chain = nil }), value},
		{"another version", change(func(s *state) { s.Version = 99 }), value},
		{"small hole", change(func(s *state) { s.Reserved = 100 }), value},
		{"odd hole", change(func(s *state) { s.Reserved-- }), value},
		{"larger hole", change(func(s *state) { s.Reserved += 2 }), value},
		{"another hash", change(func(s *state) { s.Hash = uint(crypto.SHA384) }), value},
		{"other head", change(func(s *state) { s.Head[50] ^= 1 }), value},
		{"other tail", change(func(s *state) { s.Tail[10] ^= 1 }), value},
		{"other attributes", change(func(s *state) { s.Attributes[60] ^= 1 }), value},
		{"not JSON", signing.Prepared{State: []byte("{")}, value},
	} {
		t.Run(tt.name, func(t *testing.T) {
			section, _, err := (&Format{}).Embed(context.Background(), in, tt.p, tt.value)
			if err == nil {
				t.Fatalf("Embed gave %d bytes", len(section))
			}
			if e := signing.AsError(err); e.Kind != signing.KindInternal {
				t.Errorf("kind = %q, want internal: %v", e.Kind, err)
			}
		})
	}
}

func mustRSA(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestCancelled tests that a cancelled context stops the work before it starts.
func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	in := input(t, onePage("", "").bytes(), signing.LevelB)
	in.Midstate = nil
	if _, err := (&Format{}).Prepare(ctx, in, rsaKey().credential); err == nil {
		t.Error("Prepare went on after its context ended")
	}
}
