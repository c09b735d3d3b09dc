package xades

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509/pkix"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/trialpki"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// baseline is the default profile.
var baseline = *embedded().byName[DefaultProfile]

// Namespaces of UBL 2.1 signatures.
const (
	ublExtensions = "urn:oasis:names:specification:ubl:schema:xsd:CommonExtensionComponents-2"
	ublSignature  = "urn:oasis:names:specification:ubl:schema:xsd:SignatureAggregateComponents-2"
)

// propertiesID is what the Id of SignedProperties has behind the Id of the signature in baseline.
const propertiesID = "-properties"

// facturaDoc is a document that declares the prefix of signatures at its root, as Spanish invoices
// do, and has what canonical forms treat differently.
const facturaDoc = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<?xml-stylesheet href="a.xsl"?>` +
	`<fe:Facturae xmlns:ds="http://www.w3.org/2000/09/xmldsig#" xmlns:fe="http://www.facturae.es/Facturae/2014/v3.2.1/Facturae"` +
	` xmlns:unused="urn:u"><!-- c --><FileHeader a="1&#10;2"><Batch/></FileHeader>` + "\r\n" +
	`<Invoices xmlns="urn:b"><x xmlns="">&#xE9; &amp; ü</x></Invoices></fe:Facturae>`

// profilePKIs has a key of each kind.
var profilePKIs = sync.OnceValue(func() map[string]*trialpki.PKI {
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))
	all := map[string]*trialpki.PKI{
		"RSA-SHA256": trialpki.New(rsaKey, signing.RSAPKCS1, crypto.SHA256),
		"RSA-SHA512": trialpki.New(rsaKey, signing.RSAPKCS1, crypto.SHA512),
		"PSS-SHA256": trialpki.New(rsaKey, signing.RSAPSS, crypto.SHA256),
		"PSS-SHA512": trialpki.New(rsaKey, signing.RSAPSS, crypto.SHA512),
	}
	for _, c := range []struct {
		elliptic.Curve
		hash crypto.Hash
	}{{elliptic.P256(), crypto.SHA256}, {elliptic.P384(), crypto.SHA384}, {elliptic.P521(), crypto.SHA512}} {
		key := must(ecdsa.GenerateKey(c.Curve, rand.Reader))
		all[c.Params().Name] = trialpki.New(key, signing.ECDSA, c.hash)
	}
	return all
})

// TestEmbeddedProfiles reads the embedded profiles.
func TestEmbeddedProfiles(t *testing.T) {
	want := []string{
		"baseline", "facturae", "fatturapa-xades", "ksef", "ticketbai-araba", "ticketbai-bizkaia", "ticketbai-gipuzkoa",
		"verifactu",
	}
	if got := EmbeddedProfiles().Names(); !slices.Equal(got, want) {
		t.Errorf("Names() = %q, want %q", got, want)
	}
}

// TestProfileLevels signs with each profile at each level, with the kinds of keys that the profile
// allows. All judges verify each signature.
func TestProfileLevels(t *testing.T) {
	j := startJudges(t)
	for _, profile := range EmbeddedProfiles().Names() {
		p := embedded().byName[profile]
		keys := []string{"RSA-SHA256", "P-256"}
		if p.Digest == crypto.SHA512 {
			keys = append(keys, "RSA-SHA512")
		}
		for _, key := range keys {
			pki := profilePKIs()[key]
			if p.checkKey(pki.Credential) != nil {
				if key != "P-256" || slices.Contains(p.keys.algorithms, signing.ECDSA) {
					t.Errorf("%s: %v", profile, p.checkKey(pki.Credential))
				}
				continue
			}
			for _, level := range levels {
				judgeProfile(t, j, p, key, level)
			}
		}
	}
}

// TestKeyLevels signs at the levels above B-B with kinds of keys that few providers have.
func TestKeyLevels(t *testing.T) {
	j := startJudges(t)
	for _, key := range []string{"PSS-SHA256", "PSS-SHA512", "P-384", "P-521"} {
		for _, level := range levels[1:] {
			judgeProfile(t, j, &baseline, key, level)
		}
	}
}

// judgeProfile signs with a profile, and has all judges verify the signature.
func judgeProfile(t *testing.T, j *judges, p *Profile, key string, level signing.Level) {
	t.Helper()
	pki := profilePKIs()[key]
	name := strings.Join([]string{p.Name, key, string(level)}, " ")
	signed, err := signLevel(t, []byte(facturaDoc), level, nil, pki, p)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	want := level
	if p.version1 {
		want = "" // ETSI EN 319 132-1 6.3 demands SigningCertificateV2
	}
	checkProfile(t, name, signed, want, level != signing.LevelB)
	j.check(t, name, signed)
	askOpenSSL(t, name, pki, signed)
	askScript(t, name, signed, []byte(facturaDoc), level, pki)
}

// checkProfile checks the verdict on the only signature of a document.
func checkProfile(t *testing.T, name string, signed []byte, want signing.Level, stamped bool) {
	t.Helper()
	all, err := Verify(t.Context(), inMemory(signed), VerifyOptions{})
	if err != nil || len(all) != 1 {
		t.Errorf("%s: Verify = %d signatures, %v", name, len(all), err)
		return
	}
	s := all[0]
	if s.Verdict != Valid || s.Covers != CoversDocument || s.Level != want || s.Stamped.IsZero() == stamped ||
		len(s.Notes) > 0 {
		t.Errorf("%s: want level %q: %+v", name, want, s)
	}
}

// TestProfileStructure checks that signatures have what the specifications of the receivers demand,
// in the order of the schema.
func TestProfileStructure(t *testing.T) {
	for name, want := range map[string][]string{
		"facturae": {
			`<ds:CanonicalizationMethod Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"/>`,
			`#rsa-sha512"/>`, `URI=""`, `xmlenc#sha512"/>`, `URI="#S-`, `-keyinfo"`,
			`Type="http://uri.etsi.org/01903#SignedProperties"`,
			`<ds:KeyInfo Id="S-`, `<ds:X509Data>`, `<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>`,
			"\n", `<ds:Exponent>AQAB</ds:Exponent>`,
			`+00:00</xades:SigningTime><xades:SigningCertificate><xades:Cert><xades:CertDigest>`,
			`<xades:IssuerSerial><ds:X509IssuerName>CN=Trial Issuing CA,O=Trial<`, `<ds:X509SerialNumber>`,
			`<xades:SignaturePolicyIdentifier><xades:SignaturePolicyId><xades:SigPolicyId><xades:Identifier>` +
				`http://www.facturae.es/`, `<xades:Description>Pol&#xED;tica de Firma FacturaE v3.1</xades:Description>`,
			`xmldsig#sha1"/><ds:DigestValue>Ohixl6upD6av8N7pEvDABhEL6hM=`,
			`<xades:SignerRole><xades:ClaimedRoles><xades:ClaimedRole>emisor</xades:ClaimedRole>`,
			`<xades:Description>Factura electr&#xF3;nica</xades:Description><xades:ObjectIdentifier>` +
				`<xades:Identifier Qualifier="OIDAsURN">urn:oid:1.2.840.10003.5.109.10</xades:Identifier>`,
			`<xades:MimeType>text/xml</xades:MimeType></xades:DataObjectFormat></xades:SignedDataObjectProperties>`,
		},
		"verifactu": {
			`#rsa-sha256"/>`, `<ds:KeyValue>`, `<xades:SigningCertificate>`, `urn:oid:2.16.724.1.3.1.1.2.1.9`,
			`G7roucf600+f03r/o0bAOQ6WAs0=`, `<xades:SPURI>https://sede.administracion.gob.es/politica_de_firma_anexo_1.pdf`,
			`<xades:Encoding>UTF-8</xades:Encoding>`,
		},
		"ticketbai-bizkaia": {
			`-keyinfo"`, `<ds:KeyValue>`, `<xades:SigningCertificateV2>`, `https://www.batuz.eus/`, `_v1_1.pdf`,
			`xmlenc#sha256"/><ds:DigestValue>K2baIY0fk8jbkPHkffk5F5C46O5VuzDwH21dAovjVRs=`,
		},
	} {
		key := "RSA-SHA256"
		if name == "facturae" {
			key = "RSA-SHA512"
		}
		pki := profilePKIs()[key]
		signed := must(signLevel(t, []byte(facturaDoc), signing.LevelB, nil, pki, embedded().byName[name]))
		rest := string(signed)
		for _, part := range want {
			_, behind, found := strings.Cut(rest, part)
			if !found {
				t.Fatalf("%s: no %s in %s", name, part, rest)
			}
			rest = behind
		}
		if !strings.HasSuffix(string(signed), `</ds:Signature></fe:Facturae>`) {
			t.Errorf("%s: the signature is not the last child of the root", name)
		}
	}
}

// TestProfileOptions checks what a request may choose, and that names are looked up.
func TestProfileOptions(t *testing.T) {
	for _, c := range []struct {
		profile  string
		advanced signing.AdvancedSignature
		want     string // part of the error; empty = accepted
	}{
		{"", signing.AdvancedSignature{SignatureTransform: "XPATH", SignatureLocation: "a"}, ""},
		{"", signing.AdvancedSignature{CanonicalTransform: "INCLUSIVE"}, ""},
		{"facturae", signing.AdvancedSignature{SignatureTransform: "ENVELOPED", CanonicalTransform: "INCLUSIVE"}, ""},
		{"facturae", signing.AdvancedSignature{CanonicalTransform: "EXCLUSIVE"}, `canonicalTransform "EXCLUSIVE": the profile facturae`},
		{"facturae", signing.AdvancedSignature{SignatureTransform: "XPATH"}, `signatureTransform "XPATH": the profile facturae`},
		{"facturae", signing.AdvancedSignature{SignatureLocation: "//a"}, `signatureLocation "//a": the profile facturae`},
		{"fatturapa-xades", signing.AdvancedSignature{CanonicalTransform: "INCLUSIVE"}, ""},
		{"fatturapa-xades", signing.AdvancedSignature{SignatureTransform: "XPATH"}, `signatureTransform`},
		{"ksef", signing.AdvancedSignature{SignatureTransform: "XPATH2_FILTER"}, ""},
		{"Facturae", signing.AdvancedSignature{}, `profile "Facturae" is not known, the known ones are baseline, facturae,`},
	} {
		sig := signing.SignatureInfo{Type: signing.XAdES, Profile: c.profile, Advanced: &c.advanced}
		err := (&Format{}).CheckOptions(sig)
		if c.want == "" && err == nil {
			continue
		}
		if c.want == "" || signing.KindOf(err) != signing.KindInvalid || !strings.Contains(err.Error(), c.want) {
			t.Errorf("CheckOptions(%s, %+v) = %v, want %q", c.profile, c.advanced, err, c.want)
		}
	}
}

// TestProfileKeys checks that forbidden keys are refused by name.
func TestProfileKeys(t *testing.T) {
	small := newTestKey(must(rsa.GenerateKey(rand.Reader, 1024)), signing.RSAPKCS1, crypto.SHA256)
	p224 := newTestKey(must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)), signing.ECDSA, crypto.SHA256)
	for _, c := range []struct {
		profile string
		key     *testKey
		want    string
	}{
		{"ksef", small, "profile ksef: the key must have at least 2048 bits, the key of the credential has 1024"},
		{"ksef", p224, "profile ksef: the key must have at least 256 bits, the key of the credential has 224"},
		{"ticketbai-araba", small, "profile ticketbai-araba: the key must have at least 1025 bits"},
		{"facturae", testKeys()["P-256"], "facturae: the signature algorithm must be RSA, the credential signs with ECDSA"},
		{"verifactu", testKeys()["RSA-SHA512"], "profile verifactu: the hash of the signature must be SHA-256"},
	} {
		in := inputOf([]byte(facturaDoc), nil)
		in.Signature.Profile = c.profile
		_, err := (&Format{}).Prepare(t.Context(), in, c.key.credential)
		if signing.KindOf(err) != signing.KindConfiguration || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Prepare = %v, want %q", c.profile, err, c.want)
		}
	}
}

// TestIssuerName writes names with attributes that have no short name, with characters that need an
// escape, and with several values.
func TestIssuerName(t *testing.T) {
	der, err := marshalName(pkix.RDNSequence{
		{{Type: []int{2, 5, 4, 6}, Value: "ES"}},
		{{Type: []int{2, 5, 4, 8}, Value: "Madrid"}},
		{{Type: []int{2, 5, 4, 10}, Value: "A, B + C"}},
		{{Type: []int{2, 5, 4, 5}, Value: "Q1"}},
		{{Type: []int{2, 5, 4, 11}, Value: "x"}, {Type: []int{2, 5, 4, 3}, Value: "Representación"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for style, want := range map[issuerStyle]string{
		"RFC2253":    `OU=x+CN=Representación,2.5.4.5=#13025131,O=A\, B \+ C,ST=Madrid,C=ES`,
		"ROOT_FIRST": `C=ES,ST=Madrid,O=A\, B \+ C,2.5.4.5=#13025131,OU=x+CN=Representación`,
	} {
		if got := issuerName(der, style); got != want {
			t.Errorf("issuerName(%s) = %s, want %s", style, got, want)
		}
	}
	if got, want := escaped("a<é\n>&"), "a&#x3C;&#xE9;&#xA;&#x3E;&#x26;"; got != want {
		t.Errorf("escaped = %s, want %s", got, want)
	}
	if got := wrapped(bytes.Repeat([]byte{0}, 7), 8); got != "AAAAAAAA\nAA==" {
		t.Errorf("wrapped = %q", got)
	}
}
