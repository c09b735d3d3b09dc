package cades

import (
	"bytes"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/trialpki"
	"github.com/signstash-proxy/signstash-proxy/pkg/cms"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestForeign judges files that other programs signed.
func TestForeign(t *testing.T) {
	for name, want := range map[string]string{
		"C-B-B-basic.p7m":               "valid; valid B-B ",
		"Double-C-E-ERS.p7m":            "valid; valid B-T ; valid B-T ",
		"cades-two-sig-copied-tst.p7m":  "valid; valid B-B ",
		"cades-lta-duplicated-atst.p7m": "valid; valid B-LTA ",
		"counterSig.p7m": "cannot be judged; cannot be judged  it is made with SHA-1, " +
			"with which two contents can have the same digest (CAdES baseline: signing-time is present 0 times, want once)",
		"cades-ats-v3-wrong-cert.p7m": "not valid; not valid  its archive timestamp: " +
			"verify archive timestamp: a certificate that it protects is missing",
		"cades-t-copied-sigtst.p7m": "not valid; not valid  its timestamp: verify timestamp: it is over another digest",
		"cms-wrong-sign-cert-ref.p7m": "not valid; not valid  its timestamp: " +
			"verify timestamp: verify signature value: the RSA signature does not match",
		"cades-extended-bes.pkcs7": "not valid; not valid  its certificate expired at 2022-11-03T11:31:12Z",
		"cms-no-sign-cert.p7m": "cannot be judged; cannot be judged  " +
			"verify SignedData: the signing certificate is missing",
		"cades-lta-detached.pkcs7": "cannot be judged; cannot be judged B-T " +
			"the signed content is not in the file and was not given",
		"CAdES-BpB-att-SHA3_512-SHA3_512withRSA.p7m": "cannot be judged; cannot be judged  " +
			"its hash algorithm is not supported",
	} {
		r := verify(t, must(os.ReadFile(filepath.Join("testdata/dss", name))), nil, false)
		if got := describe(r); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestAltered: nothing of what a signature protects can be changed. About twelve bytes of each part
// are tried, because each costs a verification.
func TestAltered(t *testing.T) {
	p := pki()
	for _, c := range []want{
		{level: signing.LevelB}, {level: signing.LevelLTA}, {level: signing.LevelLTA, packaging: signing.Detached},
	} {
		detached := c.packaging == signing.Detached
		signed := c.mustSign(t, sample)
		o := VerifyOptions{Roots: p.Roots()}
		if detached {
			o.Content = inMemory(sample)
		}
		for _, part := range protected(t, signed, c.level) {
			at := bytes.Index(signed, part)
			for i := at; i < at+len(part); i += 1 + len(part)/12 {
				altered := bytes.Clone(signed)
				altered[i] ^= 1 << (i % 8)
				r, err := Verify(t.Context(), inMemory(altered), o)
				if err == nil && r.Verdict() == Valid {
					t.Errorf("%s %s: byte %d was changed: %s", c.level, c.packaging, i, describe(r))
				}
			}
		}
		if detached {
			o.Content = inMemory(append(bytes.Clone(sample), ' '))
			if r := must(Verify(t.Context(), inMemory(signed), o)); r.Verdict() != Invalid {
				t.Errorf("another content: %s", describe(r))
			}
		}
	}
}

// protected returns the parts of a signed file that its signature protects.
func protected(t *testing.T, signed []byte, level signing.Level) [][]byte {
	t.Helper()
	m, err := readMessage(t.Context(), inMemory(signed))
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.signed.Signer()
	if err != nil {
		t.Fatal(err)
	}
	list := [][]byte{s.Value, s.RawSignedAttributes[4:]}
	if m.attached {
		list = append(list, sample)
	}
	list = append(list, m.signed.RawCertificates...)
	if level == signing.LevelLTA {
		list = append(list, m.signed.CRLs...)
		for _, token := range s.Unsigned(cms.OIDSignatureTimestamp) {
			list = append(list, token)
		}
	}
	return list
}

// TestAppended: bytes after the structure belong to no signature.
func TestAppended(t *testing.T) {
	signed := want{}.mustSign(t, sample)
	for _, c := range []struct {
		further string
		verdict Verdict
	}{{"x", Invalid}, {string(signed), Invalid}, {"\n", Valid}, {"\x00\x00", Valid}} {
		if r := verify(t, append(bytes.Clone(signed), c.further...), nil, false); r.Verdict() != c.verdict {
			t.Errorf("%d bytes follow: %s, want %s", len(c.further), describe(r), c.verdict)
		}
	}
}

// TestCutOff: a file that is cut off anywhere is refused by name, in every encoding.
func TestCutOff(t *testing.T) {
	signed := want{level: signing.LevelLT}.mustSign(t, sample)
	for name, file := range map[string][]byte{
		"DER": signed, "PEM": pemOf(signed), "base64": base64Of(signed), "BER": opensslSign(t, pki(), sample, "DER"),
	} {
		body := bytes.TrimRight(file, "\n-ENDPKCS7 ") // of PEM, without its last line
		if name == "BER" {
			body = file
		}
		start := 1
		if name == "PEM" {
			start = bytes.IndexByte(file, '\n') + 2
		}
		for n := start; n < len(body); n += 1 + n/64 {
			_, err := Verify(t.Context(), inMemory(file[:n]), VerifyOptions{})
			if signing.KindOf(err) != signing.KindDamaged || !strings.Contains(err.Error(), "cut off") {
				t.Errorf("%s: %d of %d bytes: error = %v", name, n, len(file), err)
			}
		}
		if r := verify(t, file, nil, false); r.Verdict() != Valid || string(r.Encoding) != name {
			t.Errorf("%s: %s %s", name, r.Encoding, describe(r))
		}
	}
}

func pemOf(der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: "PKCS7", Bytes: der}) }

func base64Of(der []byte) []byte {
	var text []byte
	for line := range bytes.Lines(pemOf(der)) {
		if line[0] != '-' {
			text = append(text, bytes.TrimSpace(line)...)
			text = append(text, '\r', '\n')
		}
	}
	return text
}

// opensslSign signs with OpenSSL, which writes BER with a content in pieces.
func opensslSign(t testing.TB, p *trialpki.PKI, content []byte, form string, args ...string) []byte {
	t.Helper()
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: p.PKCS8()})
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Credential.Certificate().Raw})
	paths := files(t, content, key, cert, nil)
	all := append([]string{"cms", "-sign", "-binary", "-stream", "-nodetach", "-md", "sha256", "-outform", form,
		"-in", paths[0], "-inkey", paths[1], "-signer", paths[2], "-out", paths[3]}, args...)
	if out, err := exec.Command(openSSL(t), all...).CombinedOutput(); err != nil {
		t.Fatalf("openssl: %v: %s", err, out)
	}
	return must(os.ReadFile(paths[3]))
}

// TestBER: the content of a BER file may be in pieces.
func TestBER(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcde\n"), 10_000)
	for _, form := range []string{"DER", "PEM"} {
		signed := opensslSign(t, pki(), content, form, "-cades")
		r := verify(t, signed, nil, false)
		if r.Verdict() != Valid || r.ContentSize != int64(len(content)) || r.Signatures[0].Level != signing.LevelB {
			t.Errorf("%s: %+v: %s", form, r, describe(r))
		}
		var got bytes.Buffer
		if err := CopyContent(t.Context(), inMemory(signed), &got); err != nil || !bytes.Equal(got.Bytes(), content) {
			t.Errorf("%s: the content has %d bytes, %v", form, got.Len(), err)
		}
		at := bytes.LastIndex(signed, []byte("abcde"))
		if form == "DER" {
			signed[at]++
			if r := verify(t, signed, nil, false); r.Verdict() != Invalid {
				t.Errorf("altered: %s", describe(r))
			}
		}
	}
}

// TestDetachedAlone: without its content, a detached signature can be found to be wrong, but not to
// be valid.
func TestDetachedAlone(t *testing.T) {
	signed := want{level: signing.LevelLTA, packaging: signing.Detached}.mustSign(t, sample)
	if r := verify(t, signed, nil, false); r.Verdict() != Undetermined {
		t.Errorf("alone: %s", describe(r))
	}
	m := must(readMessage(t.Context(), inMemory(signed)))
	at := bytes.Index(signed, m.signed.Signers[0].Value)
	signed[at+len(m.signed.Signers[0].Value)-1] ^= 1
	if r := verify(t, signed, nil, false); r.Verdict() != Invalid {
		t.Errorf("wrong signature value: %s", describe(r))
	}
	enveloping := want{}.mustSign(t, sample)
	if _, err := tryVerify(t, enveloping, sample, true); signing.KindOf(err) != signing.KindInvalid {
		t.Errorf("a content for a file that has one: error = %v", err)
	}
}

// TestNoSignedAttributes: such a signature may be the signature over the signed attributes of
// another content, so it is not called valid.
func TestNoSignedAttributes(t *testing.T) {
	signed := opensslSign(t, pki(), sample, "DER", "-noattr")
	if r := verify(t, signed, nil, false); r.Verdict() != Undetermined {
		t.Errorf("%s", describe(r))
	}
}

func many(n int, parts ...byte) []byte { return bytes.Repeat(parts, n) }

// hostile is a file that is not what it seems, and the kind of error that it gives.
type hostile struct {
	file []byte
	kind signing.Kind
}

func hostileFiles() map[string]hostile {
	header := slices.Concat([]byte{0x30, 0x80}, signedDataOID, []byte{0xa0, 0x80, 0x30, 0x80, 2, 1, 1})
	data := []byte{6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1}
	content := slices.Concat(header, []byte{0x31, 0, 0x30, 0x80}, data, []byte{0xa0, 0x80})
	closed := slices.Concat(content, []byte{4, 0, 0, 0, 0, 0})
	end := []byte{0x31, 0, 0, 0, 0, 0, 0, 0}
	pieces := slices.Concat(content, []byte{0x24, 0x80}, many(1<<17, 4, 0), []byte{0, 0, 0, 0, 0, 0}, end)
	longer := slices.Concat([]byte{0x30, 16}, signedDataOID, []byte{0xa0, 9, 0x30, 3, 2, 1, 1})
	large := slices.Concat(header, []byte{0x31, 0x83, 1, 0, 0}, many(1<<16, 0))
	above := slices.Concat(closed, []byte{0xa0, 0x84, 9, 0, 0, 0})
	otherType := slices.Concat([]byte{0x30, 13}, signedDataOID[:10], []byte{3, 0xa0, 0})
	return map[string]hostile{
		"empty":                     {nil, signing.KindNotDocument},
		"PDF":                       {[]byte("%PDF-1.7\n"), signing.KindNotDocument},
		"text that starts with M":   {[]byte("Memo: no signature"), signing.KindNotDocument},
		"base64 of something else":  {[]byte("MTIzNDU2Nzg5MA=="), signing.KindNotDocument},
		"numbers":                   {[]byte("0,1,2,3,4,5,6,7,8,9,10,11,12\n"), signing.KindNotDocument},
		"certificate":               {pemOf(pki().Root.Raw), signing.KindNotDocument},
		"no PEM":                    {[]byte("-- \nMIIB"), signing.KindNotDocument},
		"PEM with an endless line":  {slices.Concat([]byte("-----BEGIN "), many(1000, 'A')), signing.KindNotDocument},
		"another CMS type":          {otherType, signing.KindNotDocument},
		"length of 2^63":            {[]byte{0x30, 0x88, 0x80, 0, 0, 0, 0, 0, 0, 0}, signing.KindDamaged},
		"length of 2^62":            {[]byte{0x30, 0x88, 0x40, 0, 0, 0, 0, 0, 0, 0}, signing.KindDamaged},
		"length of 126 bytes":       {slices.Concat([]byte{0x30, 0xfe}, many(126, 1)), signing.KindDamaged},
		"large algorithms":          {large, signing.KindTooComplex},
		"large claim in base64":     {base64Of(slices.Concat(closed, []byte{0xa0, 0x84, 1, 0, 0, 0})), signing.KindDamaged},
		"rest above the bound":      {base64Of(above), signing.KindTooComplex},
		"deep rest":                 {slices.Concat(closed, many(1<<20, 0xa0, 0x80)), signing.KindTooComplex},
		"deep content":              {slices.Concat(content, many(1<<20, 0x24, 0x80)), signing.KindTooComplex},
		"piece of another type":     {slices.Concat(content, []byte{0x24, 0x80, 0x0c, 0}), signing.KindDamaged},
		"no signers":                {slices.Concat(closed, end), ""},
		"many pieces":               {pieces, ""},
		"longer than its parent":    {longer, signing.KindDamaged},
		"indefinite but not a list": {slices.Concat(header[:len(header)-2], []byte{0x80}), signing.KindDamaged},
		"end inside":                {slices.Concat(header, []byte{0, 0, 0, 0}), signing.KindDamaged},
	}
}

// TestHostile: every length is bounded before it is believed.
func TestHostile(t *testing.T) {
	for name, c := range hostileFiles() {
		r, err := Verify(t.Context(), inMemory(c.file), VerifyOptions{})
		switch {
		case c.kind == "" && (err != nil || r.Verdict() != Unsigned):
			t.Errorf("%s: %+v, %v", name, r, err)
		case c.kind != "" && (err == nil || signing.KindOf(err) != c.kind):
			t.Errorf("%s: error = %v, want %s", name, err, c.kind)
		}
	}
}
