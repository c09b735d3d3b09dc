package software

import (
	"bytes"
	"crypto"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
	"software.sslmate.com/src/go-pkcs12"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/ber"
)

// logged adds a logger to o and returns a function that returns the logged lines.
func logged(o Options) (Options, func() []string) {
	var mu sync.Mutex
	var lines []string
	o.Log = funcr.New(func(_, args string) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, args)
	}, funcr.Options{})
	return o, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(lines)
	}
}

// TestOddFilesOpen checks that each file of testdata has the chain that a validator needs, or
// causes one warning that says what is missing.
func TestOddFilesOpen(t *testing.T) {
	for name, c := range map[string]struct {
		chain, warning string
	}{
		"nss":          {"order < Test Issuing CA < Test Root CA", ""},
		"bouncycastle": {"order < Test Issuing CA < Test Root CA", ""},
		"cross":        {"nochain < Test Issuing CA < Test Root CA", ""},
		"prt_under":    {"SVC_SIGN_01 < Test Issuing CA < Test Root CA", ""},
		"nochain":      {"nochain", "CN=Test Issuing CA,O=Test CA Ação,C=PT"},
		"expired":      {"expired < Test Issuing CA < Test Root CA", ""},
	} {
		t.Run(name, func(t *testing.T) {
			o, lines := logged(Options{})
			p, err := OpenPKCS12(filepath.Join("testdata", name+".p12"), "pw", o)
			if err != nil {
				t.Fatalf("OpenPKCS12 = %v", err)
			}
			var names []string
			chain := p.current.Load().credential.Chain
			for _, cert := range chain {
				names = append(names, cert.Subject.CommonName)
			}
			if got := strings.Join(names, " < "); got != c.chain {
				t.Errorf("chain = %s, want %s", got, c.chain)
			}
			if last := chain[len(chain)-1]; name == "cross" && !bytes.Equal(last.RawIssuer, last.RawSubject) {
				t.Errorf("the chain ends with %s, want the valid root", last.Subject)
			}
			if c.warning == "" && len(lines()) > 0 {
				t.Errorf("logged %q, want nothing", lines())
			}
			if c.warning != "" &&
				(len(lines()) != 1 || !strings.Contains(lines()[0], "WARNING") || !strings.Contains(lines()[0], c.warning)) {
				t.Errorf("logged %q, want one WARNING with %s", lines(), c.warning)
			}
			if _, err := OpenPKCS12(filepath.Join("testdata", name+".p12"), "wrong", o); err == nil ||
				!strings.Contains(err.Error(), "password is wrong") {
				t.Errorf("OpenPKCS12 with a wrong password = %v, want that it is wrong", err)
			}
		})
	}
}

// TestChainFollowsTheClock checks that the valid path is chosen while the process runs, not only
// when it starts.
func TestChainFollowsTheClock(t *testing.T) {
	p, err := OpenPKCS12(filepath.Join("testdata", "cross.p12"), "pw", Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		now  time.Time
		root string
	}{
		{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), "Old Root"},
		{time.Date(2026, 12, 15, 0, 0, 0, 0, time.UTC), "Test Root CA"},
	} {
		p.relink(c.now)
		chain := p.current.Load().credential.Chain
		if got := chain[len(chain)-1].Subject.CommonName; len(chain) != 3 || got != c.root {
			t.Errorf("on %s the chain of %d ends with %s, want %s", c.now.Format(time.DateOnly), len(chain), got, c.root)
		}
	}
}

// toBER encodes every constructed element with indefinite length, and each OCTET STRING in two
// pieces, including the implicit one of EncryptedData.
func toBER(t *testing.T, der []byte) []byte {
	t.Helper()
	var out []byte
	for len(der) > 0 {
		e, err := ber.ReadElement(der)
		if err != nil {
			t.Fatal(err)
		}
		content := der[e.Header : e.Header+e.Content]
		half := len(content) / 2
		pieces := append(append(ber.AppendHeader(nil, []byte{4}, int64(half)), content[:half]...),
			ber.AppendHeader(nil, []byte{4}, int64(len(content)-half))...)
		pieces = append(append(pieces, content[half:]...), 0, 0)
		switch {
		case e.Constructed():
			out = append(append(append(append(out, e.Tag...), 0x80), toBER(t, content)...), 0, 0)
		case e.Tag[0] == 0x04:
			out = append(append(out, 0x24, 0x80), pieces...)
		case e.Tag[0] == 0x80:
			out = append(append(out, 0xa0, 0x80), pieces...)
		default:
			out = append(out, der[:e.Header+e.Content]...)
		}
		der = der[e.Header+e.Content:]
	}
	return out
}

// berFile converts a DER file to BER, with a MAC of the new contents.
func berFile(t *testing.T, der []byte, password string) []byte {
	t.Helper()
	var f pfx
	if !f.read(der) {
		t.Fatal("the file cannot be read")
	}
	contents := toBER(t, f.contents)
	if err := f.replaceMAC(contents, password); err != nil {
		t.Fatalf("the MAC of the file does not verify: %v", err)
	}
	f.contents = contents
	out, err := f.marshal()
	if err != nil {
		t.Fatal(err)
	}
	return toBER(t, out)
}

// TestBERFilesOpen opens files made by OpenSSL and by the library, so their MACs check ours.
func TestBERFilesOpen(t *testing.T) {
	key := testRSA(2048)
	plain := pkcs12File(t, key, nil)
	modern, err := os.ReadFile(plain)
	if err != nil {
		t.Fatal(err)
	}
	_, leaf, others, err := pkcs12.DecodeChain(modern, password)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"modern": modern}
	for name, encoder := range map[string]*pkcs12.Encoder{"RC2": pkcs12.LegacyRC2, "3DES": pkcs12.LegacyDES} {
		if files[name], err = encoder.Encode(key, leaf, others, password); err != nil {
			t.Fatal(err)
		}
	}
	if openssl, err := exec.LookPath("openssl"); err == nil {
		pem, out := filepath.Join(t.TempDir(), "all.pem"), filepath.Join(t.TempDir(), "out.p12")
		run(t, openssl, "pkcs12", "-in", plain, "-passin", "pass:"+password, "-nodes", "-out", pem)
		run(t, openssl, "pkcs12", "-export", "-in", pem, "-passout", "pass:"+password, "-macalg", "sha512", "-out", out)
		if files["OpenSSL with SHA-512"], err = os.ReadFile(out); err != nil {
			t.Fatal(err)
		}
	}
	for name, der := range files {
		t.Run(name, func(t *testing.T) {
			file := berFile(t, der, password)
			c, err := openContainer(file, password)
			if err != nil {
				t.Fatalf("openContainer = %v", err)
			}
			if !key.Equal(c.key.(crypto.PrivateKey)) || len(c.certificates) != 4 {
				t.Errorf("openContainer = %d certificates, want 4 and the key", len(c.certificates))
			}
			if _, err := openContainer(file, "wrong"); err != pkcs12.ErrIncorrectPassword {
				t.Errorf("openContainer with a wrong password = %v, want ErrIncorrectPassword", err)
			}
			damaged := bytes.Clone(file)
			damaged[len(file)/2] ^= 1
			if _, err := openContainer(damaged, password); err == nil {
				t.Error("openContainer of a damaged file = nil, want an error")
			}
		})
	}
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s = %v: %s", name, args[0], err, out)
	}
}

func FuzzToDER(f *testing.F) {
	for _, name := range []string{"nss", "cross"} {
		data, err := os.ReadFile(filepath.Join("testdata", name+".p12"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1Int64(3) })
	f.Add(b.BytesOrPanic())
	f.Fuzz(func(t *testing.T, data []byte) {
		var p pfx
		if der, _, _, err := ber.ToDER(data); err == nil && p.read(der) {
			if contents, err := convertSafe(p.contents); err == nil {
				if again, err := convertSafe(contents); err != nil || !bytes.Equal(again, contents) {
					t.Errorf("convertSafe of DER = %v, want it unchanged", err)
				}
			}
		}
	})
}
