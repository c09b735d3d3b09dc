//go:build pkcs11 && cgo

package pkcs11

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/pkcs11"

	"github.com/signstash-proxy/signstash-proxy/pkg/provider/providertest"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

func open(t *testing.T, cfg Config) *Provider {
	t.Helper()
	cfg.TokenLabel, cfg.PIN = "test", pin
	p, err := hsm.module.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// lose makes the provider drop its connection as lost.
func lose(p *Provider) {
	c, _, _ := p.connections.use()
	p.connections.release(c, true)
}

func TestConformance(t *testing.T) {
	for _, c := range []Config{
		{KeyLabel: "rsa"},
		{KeyLabel: "rsa", Hash: crypto.SHA384, Free: true},
		{KeyLabel: "rsa", Hash: crypto.SHA512, Sessions: 1},
		{KeyLabel: "rsa", Algorithm: signing.RSAPSS},
		{KeyLabel: "rsa", Algorithm: signing.RSAPSS, Hash: crypto.SHA512},
		{KeyLabel: "p256", MaxBatch: 2},
		{KeyID: []byte{0xa2}, Hash: crypto.SHA384},
	} {
		t.Run(fmt.Sprintf("%s%x %s %d", c.KeyLabel, c.KeyID, c.Algorithm, c.Hash), func(t *testing.T) {
			providertest.Run(t, providertest.Harness{
				Free: c.Free, Open: func(t *testing.T) signing.Provider { return open(t, c) },
			})
		})
	}
}

func TestChainFromToken(t *testing.T) {
	c, err := open(t, Config{KeyLabel: "rsa"}).Credential(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := hsm.chain["rsa"]
	if len(c.Chain) != 2 || !c.Chain[0].Equal(want[0]) || !c.Chain[1].Equal(want[1]) || c.Name != "pkcs11" ||
		c.Algorithm != signing.RSAPKCS1 {
		t.Errorf("Credential = %d certificates, name %s, algorithm %s; want leaf and root, pkcs11, RSA",
			len(c.Chain), c.Name, c.Algorithm)
	}
}

func chainFile(t *testing.T, chain ...*x509.Certificate) string {
	t.Helper()
	var data []byte
	for _, c := range chain {
		data = append(data, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	path := filepath.Join(t.TempDir(), "chain.pem")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestChainFromFile(t *testing.T) {
	chain := hsm.chain["p256"]
	c, err := open(t, Config{KeyLabel: "lonely", CertificateFile: chainFile(t, chain...)}).Credential(t.Context())
	if err != nil || len(c.Chain) != 2 || !c.Chain[0].Equal(chain[0]) {
		t.Errorf("Credential = %v, %v; want the chain of the file", c, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	good := Config{TokenLabel: "test", KeyLabel: "rsa", PIN: pin}
	for name, c := range map[string]struct {
		change func(c *Config)
		want   string
	}{
		"no token named": {func(c *Config) { c.TokenLabel = "" }, "no token label"},
		"no key named":   {func(c *Config) { c.KeyLabel = "" }, "no key label"},
		"other token":    {func(c *Config) { c.TokenLabel = "other" }, "no token matches"},
		"other serial":   {func(c *Config) { c.TokenSerial = "other" }, "no token matches"},
		"other key":      {func(c *Config) { c.KeyLabel = "other" }, "0 keys"},
		"two keys":       {func(c *Config) { c.KeyLabel = "twice" }, "2 keys"},
		"no certificate": {func(c *Config) { c.KeyLabel = "lonely" }, "name a certificate file"},
		"missing file":   {func(c *Config) { c.CertificateFile = "/nowhere.pem" }, "no such file"},
		"other's file": {
			func(c *Config) { c.CertificateFile = chainFile(t, hsm.chain["p256"]...) }, "not the one in the token",
		},
		"ECDSA with RSA":   {func(c *Config) { c.Algorithm = signing.ECDSA }, "does not fit"},
		"PSS with ECDSA":   {func(c *Config) { c.KeyLabel, c.Algorithm = "p256", signing.RSAPSS }, "does not fit"},
		"SHA-1":            {func(c *Config) { c.Hash = crypto.SHA1 }, "hash"},
		"too many at once": {func(c *Config) { c.Sessions = 1000 }, "sessions"},
		"wrong PIN":        {func(c *Config) { c.PIN = "000000" }, "log in"},
	} {
		cfg := good
		c.change(&cfg)
		p, err := hsm.module.Open(cfg)
		if err == nil {
			p.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Open = %v, want an error with %q", name, err, c.want)
		} else if strings.Contains(err.Error(), cfg.PIN) && cfg.PIN != "" {
			t.Errorf("%s: the error tells the PIN", name)
		}
	}
	if _, err := OpenModule("/nowhere.so"); err == nil {
		t.Error("OpenModule = nil, want an error")
	}
}

// TestReconnects checks that the next call connects again after the sessions were lost, because
// nothing has been signed yet.
func TestReconnects(t *testing.T) {
	p := open(t, Config{KeyLabel: "p256"})
	call := signing.Call{ID: "x", Digests: [][]byte{make([]byte, 32)}}
	if _, err := p.Sign(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	if err := hsm.module.ctx.CloseAllSessions(p.connections.current.slot); err != nil {
		t.Fatal(err)
	}
	values, err := p.Sign(t.Context(), call)
	if err != nil {
		t.Fatalf("Sign after the sessions were lost = %v, want nil", err)
	}
	if err := signing.VerifyValue(p.kept.Load(), call.Digests[0], values[0]); err != nil {
		t.Error(err)
	}
}

// TestRefusedPINIsNotTriedAgain checks that a refused PIN is not sent again, because the token
// would lock itself.
func TestRefusedPINIsNotTriedAgain(t *testing.T) {
	p := open(t, Config{KeyLabel: "p256"})
	p.connections.cfg.PIN = "000000" // as if the PIN was changed at the token
	if err := hsm.module.ctx.CloseAllSessions(p.connections.current.slot); err != nil {
		t.Fatal(err)
	}
	lose(p)
	call := signing.Call{ID: "x", Digests: [][]byte{make([]byte, 32)}}
	for range 20 {
		_, err := p.Sign(t.Context(), call)
		if e := signing.AsError(err); e.Kind != signing.KindProviderCredentials || e.Retry || e.Unknown {
			t.Fatalf("Sign = %v, want KindProviderCredentials without retry", err)
		}
	}
	if _, err := open(t, Config{KeyLabel: "p256"}).Sign(t.Context(), call); err != nil {
		t.Errorf("Sign with the right PIN afterwards = %v: was the token locked?", err)
	}
}

func TestClosed(t *testing.T) {
	p := open(t, Config{KeyLabel: "p256"})
	p.Close()
	if _, err := p.Sign(context.Background(), signing.Call{ID: "x", Digests: [][]byte{make([]byte, 32)}}); err == nil {
		t.Error("Sign after Close = nil, want an error")
	}
}

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err     error
		started int64
		kind    signing.Kind
		retry   bool
		unknown bool
	}{
		{pkcs11.Error(pkcs11.CKR_DEVICE_ERROR), 0, signing.KindProvider, true, false},
		{pkcs11.Error(pkcs11.CKR_DEVICE_ERROR), 3, signing.KindProvider, true, true},
		{pkcs11.Error(pkcs11.CKR_PIN_LOCKED), 0, signing.KindProviderAccount, false, false},
		{fmt.Errorf("x: %w", pkcs11.Error(pkcs11.CKR_PIN_INCORRECT)), 1, signing.KindProviderCredentials, false, true},
		{errNoKey, 0, signing.KindConfiguration, false, false},
		{errNoToken, 0, signing.KindProvider, true, false},
		{context.Canceled, 1, signing.KindProvider, true, true},
		{errors.New("odd"), 0, signing.KindProvider, true, false},
	} {
		e := signing.AsError(classify(c.err, c.started))
		if e.Kind != c.kind || e.Retry != c.retry || e.Unknown != c.unknown {
			t.Errorf("classify(%v, %d) = %s, retry %v, unknown %v; want %s, %v, %v",
				c.err, c.started, e.Kind, e.Retry, e.Unknown, c.kind, c.retry, c.unknown)
		}
	}
}

func TestSigValue(t *testing.T) {
	for _, raw := range [][]byte{nil, {1}, {1, 2, 3}} {
		if _, err := sigValue(raw); err == nil {
			t.Errorf("sigValue(%x) = nil, want an error", raw)
		}
	}
	der, err := sigValue([]byte{0x00, 0x01, 0xff, 0x02})
	if want := []byte{0x30, 8, 2, 1, 1, 2, 3, 0, 0xff, 2}; err != nil || string(der) != string(want) {
		t.Errorf("sigValue = %x, %v; want %x", der, err, want)
	}
}

// TestHangingConnect checks that a module that hangs while it connects blocks one goroutine only.
// Calls end with their contexts and nothing is sent. Once the connection is open, the next call
// uses it.
func TestHangingConnect(t *testing.T) {
	p := open(t, Config{KeyLabel: "p256"})
	lose(p)
	var connects atomic.Int32
	began, hangs, connect := make(chan struct{}), make(chan struct{}), p.connections.connect
	p.connections.connect = func(cfg Config) (*connection, error) {
		if connects.Add(1) == 1 {
			close(began)
		}
		<-hangs
		return connect(cfg)
	}
	call := signing.Call{ID: "x", Digests: [][]byte{make([]byte, 32)}}
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-began
			cancel()
		}()
		_, err := p.Sign(ctx, call)
		if e := signing.AsError(err); e.Kind != signing.KindProvider || !e.Retry || e.Unknown {
			t.Errorf("Sign while the module hangs = %v, unknown %v, want %s to be tried again",
				err, e.Unknown, signing.KindProvider)
		}
	}
	close(hangs)
	if _, err := p.Sign(t.Context(), call); err != nil {
		t.Errorf("Sign once the module answers = %v", err)
	}
	if n := connects.Load(); n != 1 {
		t.Errorf("%d connections were begun, want 1", n)
	}
}

// TestCloseWhileConnecting checks that a connection that opens after Close is closed at once.
func TestCloseWhileConnecting(t *testing.T) {
	p := open(t, Config{KeyLabel: "p256"})
	lose(p)
	began, hangs, connect := make(chan struct{}), make(chan struct{}), p.connections.connect
	var late *connection
	p.connections.connect = func(cfg Config) (*connection, error) {
		close(began)
		<-hangs
		c, err := connect(cfg)
		late = c
		return c, err
	}
	ended := make(chan error)
	go func() {
		_, err := p.Sign(t.Context(), signing.Call{ID: "x", Digests: [][]byte{make([]byte, 32)}})
		ended <- err
	}()
	<-began
	p.Close()
	close(hangs)
	if err := <-ended; !errors.Is(err, errClosed) {
		t.Errorf("Sign = %v, want %v", err, errClosed)
	}
	if _, err := hsm.module.ctx.GetSessionInfo(late.sessions[0]); !errors.Is(
		err, pkcs11.Error(pkcs11.CKR_SESSION_HANDLE_INVALID),
	) {
		t.Errorf("the late connection's session = %v, want it closed", err)
	}
}
