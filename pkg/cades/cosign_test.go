package cades

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/cms"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing/formattest"
)

// TestCosignConformance runs the suite of signing.Format for co-signing.
func TestCosignConformance(t *testing.T) {
	p := pki()
	signature := signing.SignatureInfo{Type: signing.CAdES, Level: signing.LevelB, Existing: signing.Cosign}
	der := want{pki: pkis()["RSA-SHA256"]}.mustSign(t, sample)
	archived := signature
	archived.Level = signing.LevelLTA
	formattest.Run(t, formattest.Harness{
		Open:       func(*testing.T) signing.Format { return formatOf(p) },
		Credential: p.Credential,
		Sign:       p.Sign,
		Samples: []formattest.Sample{
			{Name: "DER", Original: der, Signature: signature},
			{Name: "archived", Original: der, Signature: archived},
			{Name: "BER", Original: opensslSign(t, pkis()["RSA-SHA256"], sample, "DER"), Signature: signature},
			{Name: "PEM", Original: pemOf(der), Signature: signature},
		},
	})
}

// TestCosign: a further signature changes nothing of the existing ones, whoever made them.
func TestCosign(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcde\n"), 10_000)
	first := pkis()["RSA-SHA256"]
	der := want{level: signing.LevelLTA, pki: first}.mustSign(t, content)
	for name, c := range map[string]struct {
		file     []byte
		level    signing.Level // of the existing signature
		encoding Encoding      // of the co-signed file
	}{
		"DER":     {der, signing.LevelLTA, DER},
		"PEM":     {pemOf(der), signing.LevelLTA, DER},
		"base64":  {base64Of(der), signing.LevelLTA, DER},
		"BER":     {opensslSign(t, first, content, "DER", "-cades"), signing.LevelB, BER},
		"BER PEM": {opensslSign(t, first, content, "PEM", "-cades"), signing.LevelB, DER},
		"foreign": {must(os.ReadFile("testdata/dss/cades-lta-duplicated-atst.p7m")), signing.LevelLTA, DER},
	} {
		for _, level := range []signing.Level{signing.LevelB, signing.LevelLTA} {
			w := want{level: level, existing: signing.Cosign, pki: pkis()["P-384"]}
			signed := w.mustSign(t, c.file)
			r := verify(t, signed, nil, false)
			count := map[signing.Level]int{}
			for i := range r.Signatures {
				count[r.Signatures[i].Level]++
			}
			expected := map[signing.Level]int{c.level: 1}
			expected[level]++
			if r.Verdict() != Valid || len(r.Signatures) != 2 || count[level] != expected[level] ||
				count[c.level] != expected[c.level] ||
				r.Encoding != c.encoding {
				t.Errorf("%s %s: %s %s", name, level, r.Encoding, describe(r))
			}
			if level == signing.LevelLTA {
				continue // the rest was shown with B-B
			}
			askOpenSSLAny(t, signed, name)
			third := want{existing: signing.Cosign, pki: pkis()["PSS-SHA512"]}.mustSign(t, signed)
			if r := verify(t, third, nil, false); r.Verdict() != Valid || len(r.Signatures) != 3 {
				t.Errorf("%s %s, third: %s", name, level, describe(r))
			}
		}
	}
}

// indefinite returns an element with elements of unknown length. Strings stay in one piece.
func indefinite(der []byte) []byte {
	if der[0]&0x20 == 0 {
		return der
	}
	out := []byte{der[0], 0x80}
	for _, e := range elementsOf(der) {
		out = append(out, indefinite(e)...)
	}
	return append(out, 0, 0)
}

// TestCosignKeepsBytes: what earlier signers wrote stays as it is, byte for byte, also if it is not
// DER.
func TestCosignKeepsBytes(t *testing.T) {
	der := want{level: signing.LevelLTA, pki: pkis()["RSA-SHA256"]}.mustSign(t, sample)
	m := must(readMessage(t.Context(), inMemory(der)))
	message := cms.Message{
		DigestAlgorithms: m.signed.RawDigestAlgorithms, Content: cms.Content{Form: cms.Octets, Size: int64(len(sample))},
		Certificates: m.certificates, CRLs: m.crls, Signers: [][]byte{indefinite(m.signers[0])},
	}
	head, tail, err := message.Encode()
	if err != nil {
		t.Fatal(err)
	}
	berSigner := slices.Concat(head, sample, tail)
	message.CRLs = [][]byte{indefinite(m.crls[0])}
	if head, tail, err = message.Encode(); err != nil {
		t.Fatal(err)
	}
	berCRL := slices.Concat(head, sample, tail)
	for name, file := range map[string][]byte{
		"DER": der, "a signer in BER": berSigner, "all of it in BER": indefinite(berSigner), "a CRL in BER": berCRL,
		"Double-C-E-ERS.p7m":            must(os.ReadFile("testdata/dss/Double-C-E-ERS.p7m")),
		"cades-lta-duplicated-atst.p7m": must(os.ReadFile("testdata/dss/cades-lta-duplicated-atst.p7m")),
	} {
		before, old := verify(t, file, nil, false), must(readMessage(t.Context(), inMemory(file)))
		for _, level := range []signing.Level{signing.LevelB, signing.LevelLTA} {
			signed, err := want{level: level, existing: signing.Cosign}.sign(t, file)
			if level == signing.LevelLTA && !old.hasDER() {
				if signing.KindOf(err) != signing.KindUnsupported {
					t.Errorf("%s %s: error = %v", name, level, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s %s: %v", name, level, err)
				continue
			}
			for _, part := range slices.Concat(old.signers, old.certificates, old.crls) {
				if !bytes.Contains(signed, part) {
					t.Errorf("%s %s: an element of %d bytes was changed", name, level, len(part))
				}
			}
			after := verify(t, signed, nil, false)
			if after.Verdict() != before.Verdict() || len(after.Signatures) != len(before.Signatures)+1 {
				t.Errorf("%s %s: %s, and before %s", name, level, describe(after), describe(before))
			}
		}
	}
}

// askOpenSSLAny has OpenSSL verify all signatures of a file, without trust in certificates.
func askOpenSSLAny(t *testing.T, signed []byte, name string) {
	t.Helper()
	path := files(t, signed)[0]
	cmd := exec.Command(
		openSSL(t),
		"cms",
		"-verify",
		"-noverify",
		"-binary",
		"-inform",
		"DER",
		"-in",
		path,
		"-out",
		os.DevNull,
	)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: openssl: %v: %s", name, err, out)
	}
}

// TestWrap: without COSIGN a .p7m file is signed like any other file.
func TestWrap(t *testing.T) {
	inner := want{pki: pkis()["RSA-SHA256"]}.mustSign(t, sample)
	outer := want{existing: signing.Wrap}.mustSign(t, inner)
	r := verify(t, outer, nil, false)
	var content bytes.Buffer
	if err := CopyContent(t.Context(), inMemory(outer), &content); err != nil || !bytes.Equal(content.Bytes(), inner) {
		t.Errorf("the content has %d bytes, %v", content.Len(), err)
	}
	if r.Verdict() != Valid || len(r.Signatures) != 1 {
		t.Errorf("%s", describe(r))
	}
}

// TestCosignRefuse: a file to which no signature can be added is refused by name.
func TestCosignRefuse(t *testing.T) {
	at := time.Now()
	signed := want{time: at}.mustSign(t, sample)
	altered := bytes.Clone(signed)
	altered[bytes.Index(altered, sample)]++
	twice := want{time: at, existing: signing.Cosign}.mustSign(t, signed)
	var crowd [][]byte
	for i := range maxSigners {
		media := must(cms.MIMEType(fmt.Sprintf("text/%d", i)))
		crowd = append(crowd, signerWith(pki(), attributesFor(pki(), sample, media)...))
	}
	oneMore := fileOf(pki(), nil, make([]byte, maxTextContent+1), crowd[0])
	large := []byte(base64.StdEncoding.EncodeToString(oneMore)) // in one line, because lines would cost seconds
	mail := []byte("MIME-Version: 1.0\nContent-Type: application/pkcs7-mime\n\nMIIB")
	token := must(pki().Timestamp(t.Context(), make([]byte, 32), pki().Credential.Hash))
	for name, c := range map[string]struct {
		file []byte
		kind signing.Kind
	}{
		"no .p7m":        {sample, signing.KindNotDocument},
		"cut off":        {signed[:len(signed)-1], signing.KindDamaged},
		"bytes follow":   {append(bytes.Clone(signed), 'x'), signing.KindDamaged},
		"no signature":   {fileOf(pki(), nil, sample), signing.KindUnsupported},
		"mail":           {mail, signing.KindNotDocument},
		"altered":        {altered, signing.KindBroken},
		"detached":       {want{packaging: signing.Detached}.mustSign(t, sample), signing.KindUnsupported},
		"timestamp":      {token, signing.KindUnsupported},
		"same signature": {twice, signing.KindUnsupported},
		"too many":       {fileOf(pki(), nil, sample, crowd...), signing.KindTooComplex},
		"large base64":   {large, signing.KindTooComplex},
	} {
		w := want{existing: signing.Cosign, time: at}
		if _, err := w.sign(t, c.file); err == nil || signing.KindOf(err) != c.kind {
			t.Errorf("%s: error = %v, want %s", name, err, c.kind)
		}
	}
}

// TestCosignRefuseReason: the reason does not mislead.
func TestCosignRefuseReason(t *testing.T) {
	for reason, file := range map[string]string{
		"has no signature":     string(fileOf(pki(), nil, sample)),
		"is a mail (S/MIME)":   "Content-Type: application/pkcs7-mime\r\n\r\nMIIB",
		"it is not base64":     "MIIB: no base64, in a text that is long enough",
		"starts with the byte": "mail",
	} {
		_, err := want{existing: signing.Cosign}.sign(t, []byte(file))
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("error = %v, want %q", err, reason)
		}
	}
}
