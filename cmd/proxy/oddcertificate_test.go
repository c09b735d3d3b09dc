package main_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/client"
	"github.com/signstash-proxy/signstash-proxy/pkg/pades"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// oddPKI is a root and a certificate that it issued, with faults that crypto/x509 refuses.
type oddPKI struct {
	rootKey, key *ecdsa.PrivateKey
	root, leaf   []byte
}

// newOddPKI makes certificates whose names are PrintableStrings with the given characters. The
// serial number is negative on request.
func newOddPKI(t *testing.T, rootName, leafName string, negative bool) *oddPKI {
	t.Helper()
	p := &oddPKI{rootKey: newECKey(t), key: newECKey(t)}
	root := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		RawSubject:            printableName(t, rootName),
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		SubjectKeyId:          []byte{1, 2, 3},
	}
	leaf := &x509.Certificate{
		SerialNumber:   big.NewInt(0x123456),
		RawSubject:     printableName(t, leafName),
		NotBefore:      root.NotBefore,
		NotAfter:       root.NotAfter,
		KeyUsage:       x509.KeyUsageContentCommitment,
		AuthorityKeyId: root.SubjectKeyId,
	}
	var err error
	if p.root, err = x509.CreateCertificate(rand.Reader, root, root, p.rootKey.Public(), p.rootKey); err != nil {
		t.Fatal(err)
	}
	if p.leaf, err = x509.CreateCertificate(rand.Reader, leaf, root, p.key.Public(), p.rootKey); err != nil {
		t.Fatal(err)
	}
	if negative {
		p.leaf = p.resign(t, bytes.Replace(p.leaf, []byte{2, 3, 0x12, 0x34, 0x56}, []byte{2, 3, 0xff, 0x34, 0x56}, 1))
	}
	return p
}

func newECKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// printableName is a distinguished name with a common name in a PrintableString. It accepts any
// characters.
func printableName(t *testing.T, name string) []byte {
	t.Helper()
	value := asn1.RawValue{Tag: asn1.TagPrintableString, Bytes: []byte(name)}
	der, err := asn1.Marshal(pkix.RDNSequence{{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: value}}})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// resign replaces the signature of a modified certificate.
func (p *oddPKI) resign(t *testing.T, der []byte) []byte {
	t.Helper()
	var parts struct {
		TBS, Algorithm asn1.RawValue
		Signature      asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &parts); err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(parts.TBS.FullBytes)
	value, err := p.rootKey.Sign(rand.Reader, digest[:], nil)
	if err != nil {
		t.Fatal(err)
	}
	parts.Signature = asn1.BitString{Bytes: value, BitLength: 8 * len(value)}
	out, err := asn1.Marshal(parts)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// pkcs12 writes the key and the certificates in the form that OpenSSL writes. The root comes first.
func (p *oddPKI) pkcs12(t *testing.T) (file, root string) {
	t.Helper()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	folder := t.TempDir()
	key, err := x509.MarshalPKCS8PrivateKey(p.key)
	if err != nil {
		t.Fatal(err)
	}
	root, all, file := filepath.Join(folder, "root.pem"), filepath.Join(folder, "all.pem"), filepath.Join(folder,
		"odd.p12")
	write(t, root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.root}))
	write(t, all, append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), append(
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.root}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.leaf})...)...))
	if out, err := exec.Command(
		openssl, "pkcs12", "-export", "-in", all, "-out", file, "-passout", "pass:pw",
	).CombinedOutput(); err != nil {
		t.Fatalf("openssl pkcs12: %v: %s", err, out)
	}
	return file, root
}

// TestOddCertificatesSign signs with certificates that crypto/x509 refuses. OpenSSL and other
// readers accept the result.
func TestOddCertificatesSign(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		root, leaf string
		negative   bool
	}{
		"underscore":      {"Root CA", "SVC_SIGN_01", false},
		"at-sign":         {"CORP_CA", "seal@example.org", false},
		"negative serial": {"Root CA", "Seal", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pki := newOddPKI(t, c.root, c.leaf, c.negative)
			file, root := pki.pkcs12(t)
			p := newTestProxy(t, "--signing.pkcs12.file="+file)
			p.o.Args = append(p.o.Args, "--signing.pkcs12.password-file="+p.file(t, "pw", "pw"))
			p.start(t)
			var sink memorySink
			op, err := newClient(t, p.Instance).Sign(t.Context(), oneDocument(t, "odd", client.SignatureInfo{}), &sink)
			if err != nil || op.Status != client.StatusExecuted || len(sink) != 1 {
				t.Fatalf("Sign = %+v, %v, want it signed", op, err)
			}
			signed := sink[0].Bytes()
			report, err := pades.Verify(t.Context(), bytes.NewReader(signed), int64(len(signed)), pades.VerifyOptions{})
			if err != nil || !report.Valid() || report.Signatures[0].Level != signing.LevelB ||
				report.Signatures[0].Certificate.Subject.CommonName != c.leaf {
				t.Errorf("our own check says %+v, %v, want level B-B by %s", report, err, c.leaf)
			}
			if err := verified(root, sample, signed); err != nil {
				t.Error(err)
			}
			if strings.Contains(p.log(t), "WARNING: the certificate chain") {
				t.Errorf("log = %s, want no warning of the chain", p.log(t))
			}
		})
	}
}
