package xades

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

func marshalName(n pkix.RDNSequence) ([]byte, error) { return asn1.Marshal(n) }

// TestParseProfiles reads profiles of an operator, which are based on others and replace others.
func TestParseProfiles(t *testing.T) {
	p, err := ParseProfiles([]byte(`
# comment
agent: {base: facturae, role: tercero, signature: {hashes: [SHA-256]}}
agent.madrid:
  base: agent
  productionPlace: {city: Madrid & Co, countryName: ES}
  commitment: http://uri.etsi.org/01903/v1.2.2#ProofOfOrigin
  ids: {prefix: Firma-}
  base64LineWidth: 0
ticketbai-gipuzkoa:
  base: ticketbai-gipuzkoa
  policy: {hash: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=}
plain: {}
`))
	if err != nil {
		t.Fatal(err)
	}
	pki := profilePKIs()["RSA-SHA256"]
	sign := func(name string) string {
		f := &Format{Profiles: p}
		in := levelInput([]byte(facturaDoc), signing.LevelB, nil)
		in.Signature.Profile = name
		profile, err := f.profile(in.Signature)
		if err != nil {
			t.Fatal(err)
		}
		return string(must(signLevel(t, []byte(facturaDoc), signing.LevelB, nil, pki, profile)))
	}
	for name, want := range map[string][]string{
		"agent": {"#rsa-sha256", "xmlenc#sha512", ">tercero<", "politica_de_firma_formato_facturae_v3_1", `"S-`},
		"agent.madrid": {
			`Id="Firma-`, ">tercero<", "<xades:SignatureProductionPlace><xades:City>Madrid &#x26; Co</xades:City>" +
				"<xades:CountryName>ES</xades:CountryName></xades:SignatureProductionPlace><xades:SignerRole>",
			"</xades:DataObjectFormat><xades:CommitmentTypeIndication><xades:CommitmentTypeId><xades:Identifier>" +
				"http://uri.etsi.org/01903/v1.2.2#ProofOfOrigin</xades:Identifier></xades:CommitmentTypeId>" +
				"<xades:AllSignedDataObjects/></xades:CommitmentTypeIndication></xades:SignedDataObjectProperties>",
		},
		"ticketbai-gipuzkoa": {
			"https://www.gipuzkoa.eus/ticketbai/sinadura", "xmlenc#sha256",
			">AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=<",
		},
		"plain": {"SigningCertificateV2", "xml-exc-c14n#"},
	} {
		signed := sign(name)
		for _, part := range want {
			if !strings.Contains(signed, part) {
				t.Errorf("%s: no %s in %s", name, part, signed)
			}
		}
	}
	if embedded().byName["facturae"].role != "emisor" || len(embedded().byName) != 8 {
		t.Error("a file of an operator has changed the embedded profiles")
	}
}

// TestParseProfilesRefuses checks that each mistake is refused by name.
func TestParseProfilesRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`a: {rol: x}`:                         "profile a: there is no field rol",
		`a: {keyInfo: {x: 1}}`:                "profile a: there is no field x",
		"a: {role: x, role: y}":               `profile a: mapping key "role" already defined`,
		"a: {}\na: {}":                        "profile a is there twice",
		"a: {}\n---\nb: {}":                   "more than one YAML document",
		"[a]":                                 "want a mapping from names to profiles",
		"a: [b]":                              "profile a: want a mapping with the fields of a profile",
		"a: &x {}\nb: *x":                     "anchors and aliases are not supported",
		"A: {}":                               `profile "A": a name has small letters`,
		"a: {base: b}\nb: {}":                 `profile a: base: there is no profile "b" before it`,
		"a: {digest: SHA-1}":                  `profile a: digest: "SHA-1" is not SHA-256, SHA-384 or SHA-512`,
		"a: {canonicalization: {keyInfo: X}}": `profile a: canonicalization.keyInfo: "X" is not known`,
		"a: {transform: X}":                   `transform: "X" is not ENVELOPED`,
		"a: {requestsMayChoose: [x]}":         `requestsMayChoose: "x" is not canonicalTransform`,
		"a: {references: [SIGNED_PROPERTIES, DATA]}":                     "references: want DATA, then",
		"a: {references: [DATA]}":                                        "references: want DATA",
		"a: {references: [DATA, SIGNED_PROPERTIES, KEY_INFO, KEY_INFO]}": "references: want DATA",
		"a: {ids: {prefix: 1}}":                                          `ids.prefix: "1" is not a letter`,
		"a: {ids: {data: -value}}":                                       `ids: the ends are different texts`,
		"a: {ids: {keyInfo: 'a b'}}":                                     `not "a b"`,
		"a: {places: [[{name: x}]]}":                                     `places: a step needs a namespace and a name`,
		"a: {places: [[]]}":                                              "places: a place has 1 to 32 steps",
		"a: {signature: {algorithms: [DSA]}}":                            `signature.algorithms: "DSA" is not RSA, PSS or ECDSA`,
		"a: {signature: {hashes: []}}":                                   "algorithms and hashes need at least one value",
		"a: {signature: {hashes: [MD5]}}":                                `signature.hashes: "MD5" is not SHA-256`,
		"a: {signature: {minRSABits: -1}}":                               "signature: minRSABits is at most 16384",
		"a: {signingCertificate: V3}":                                    `signingCertificate: "V3" is not V1 or V2`,
		"a: {issuerName: X}":                                             `issuerName: "X" is not RFC2253 or ROOT_FIRST`,
		"a: {signingTime: LOCAL}":                                        `signingTime: "LOCAL" is not Z or OFFSET`,
		"a: {base64LineWidth: 77}":                                       "base64LineWidth: 77 is not",
		"a: {base64LineWidth: x}":                                        "cannot unmarshal",
		"a: {base: facturae, productionPlace: {streetAddress: x}}":       "productionPlace.streetAddress: there is none",
		"a: {policy: {identifier: x, digest: SHA-256, hash: AAAA}}":      `policy.identifier: "x" is not an absolute URI`,
		"a: {base: facturae, policy: {hash: AAAA}}":                      `policy.hash: "AAAA" is not the base64 of a SHA-1 hash`,
		"a: {base: facturae, policy: {digest: MD5}}":                     `policy.digest: "MD5" is not`,
		"a: {base: facturae, policy: {qualifier: OIDAsURN}}":             "does not start with urn:oid:",
		"a: {base: facturae, policy: {qualifier: X}}":                    `policy.qualifier: "X" is not OIDAsURN`,
		"a: {commitment: x}":                                             `commitment: "x" is not an absolute URI`,
		"a: {dataObjectFormat: {mimeType: ''}}":                          "dataObjectFormat.mimeType is missing",
		`a: {role: "x\u0001"}`:                                           "has control characters",
		"a: {role: " + strings.Repeat("x", 1001) + "}":                   "a text is longer than 1000 bytes",
	} {
		_, err := ParseProfiles([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseProfiles(%.80q) = %v, want %q", text, err, want)
		}
	}
	_, err := ParseProfiles([]byte("a: {digest: X, transform: Y}\nb: {issuerName: Z}"))
	if err == nil || strings.Count(err.Error(), " is not ") != 3 {
		t.Errorf("ParseProfiles = %v, want all three mistakes", err)
	}
	if _, err := ParseProfiles(make([]byte, maxProfileBytes+1)); err == nil {
		t.Error("ParseProfiles accepts a file that is too large")
	}
	for _, text := range []string{"", "# nothing\n", "null"} {
		if p, err := ParseProfiles([]byte(text)); err != nil || len(p.Names()) != 8 {
			t.Errorf("ParseProfiles(%q) = %v", text, err)
		}
	}
}
