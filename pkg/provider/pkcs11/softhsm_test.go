//go:build pkcs11 && cgo

package pkcs11

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/miekg/pkcs11"
)

const pin = "135790"

// hsm is one SoftHSM for the whole process, because a library is loaded once.
var hsm struct {
	module *Module
	chain  map[string][]*x509.Certificate // by key label
	folder string
}

// TestMain sets up a token "test" with the keys rsa, p256, p384, lonely, and two keys with the
// label twice.
func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "softhsm")
	if err != nil {
		panic(err)
	}
	code := func() int {
		defer os.RemoveAll(folder)
		library := libraryPath()
		util, err := exec.LookPath("softhsm2-util")
		if library == "" || err != nil {
			if os.Getenv("CI") == "true" {
				fmt.Fprintln(os.Stderr, "SoftHSM is not installed")
				return 1
			}
			fmt.Fprintln(os.Stderr, "SoftHSM is not installed: tests are skipped")
			return 0
		}
		if err := setUp(folder, util, library); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer hsm.module.Close()
		return m.Run()
	}()
	os.Exit(code)
}

func libraryPath() string {
	for _, path := range []string{
		"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
		"/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so",
	} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}

func setUp(folder, util, library string) error {
	hsm.folder, hsm.chain = folder, make(map[string][]*x509.Certificate)
	conf := filepath.Join(folder, "softhsm2.conf")
	text := "directories.tokendir = " + folder + "\nobjectstore.backend = file\nlog.level = ERROR\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return err
	}
	if err := os.Setenv("SOFTHSM2_CONF", conf); err != nil { // the library reads it when it is loaded
		return err
	}
	if out, err := exec.Command(
		util, "--init-token", "--free", "--label", "test", "--so-pin", "1357924680", "--pin", pin,
	).CombinedOutput(); err != nil {
		return fmt.Errorf("init token: %w: %s", err, out)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return err
	}
	for i, k := range []struct {
		label string
		key   crypto.Signer
	}{{"rsa", rsaKey}, {"p256", p256}, {"p384", p384}, {"lonely", p256}, {"twice", p256}, {"twice", p384}} {
		if err := importKey(util, fmt.Sprintf("a%d", i), k.label, k.key); err != nil {
			return err
		}
	}
	if hsm.module, err = OpenModule(library); err != nil {
		return err
	}
	return storeCertificates(map[string]crypto.Signer{"rsa": rsaKey, "p256": p256, "p384": p384},
		map[string]byte{"rsa": 0xa0, "p256": 0xa1, "p384": 0xa2})
}

func importKey(util, id, label string, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	file := filepath.Join(hsm.folder, id+".pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		return err
	}
	if out, err := exec.Command(
		util, "--import", file, "--token", "test", "--label", label, "--id", id, "--pin", pin,
	).CombinedOutput(); err != nil {
		return fmt.Errorf("import key: %w: %s", err, out)
	}
	return nil
}

// storeCertificates issues certificates for the keys under a CA and stores all certificates in the
// token.
func storeCertificates(keys map[string]crypto.Signer, ids map[string]byte) error {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	root := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "test root"},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	if root, err = certify(root, root, caKey.Public(), caKey); err != nil {
		return err
	}
	if err := store(root, nil); err != nil {
		return err
	}
	for label, key := range keys {
		leaf := &x509.Certificate{
			SerialNumber: big.NewInt(now.UnixNano()),
			Subject:      pkix.Name{CommonName: label},
			NotBefore:    root.NotBefore,
			NotAfter:     root.NotAfter,
			KeyUsage:     x509.KeyUsageContentCommitment,
		}
		if leaf, err = certify(leaf, root, key.Public(), caKey); err != nil {
			return err
		}
		hsm.chain[label] = []*x509.Certificate{leaf, root}
		if err := store(leaf, []byte{ids[label]}); err != nil {
			return err
		}
	}
	return nil
}

func certify(template, parent *x509.Certificate, public crypto.PublicKey, by crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, by)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func store(cert *x509.Certificate, id []byte) error {
	slot, err := hsm.module.findSlot(Config{TokenLabel: "test"})
	if err != nil {
		return err
	}
	ctx := hsm.module.ctx
	s, err := ctx.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		return err
	}
	defer ctx.CloseSession(s)
	if err := ctx.Login(s, pkcs11.CKU_USER, pin); err != nil {
		return err
	}
	_, err = ctx.CreateObject(s, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_CERTIFICATE),
		pkcs11.NewAttribute(pkcs11.CKA_CERTIFICATE_TYPE, pkcs11.CKC_X_509), pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
		pkcs11.NewAttribute(pkcs11.CKA_ID, id), pkcs11.NewAttribute(pkcs11.CKA_SUBJECT, cert.RawSubject),
		pkcs11.NewAttribute(pkcs11.CKA_VALUE, cert.Raw),
	})
	return err
}
