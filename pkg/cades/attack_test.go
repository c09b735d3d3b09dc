package cades

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/trialpki"
	"github.com/signstash-proxy/signstash-proxy/pkg/cms"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/ber"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

func digestOf(content []byte) []byte {
	digest := sha256.Sum256(content)
	return digest[:]
}

// attributesFor returns the signed attributes of a signature at level B-B, each as one element.
func attributesFor(p *trialpki.PKI, content []byte, further ...cms.Attribute) [][]byte {
	further = append(further, must(cms.SigningTime(time.Now())))
	set := must(cms.SignedAttributes(crypto.SHA256, digestOf(content), p.Credential.Certificate(), further...))
	return elementsOf(set)
}

// elementsOf returns the elements in an element.
func elementsOf(der []byte) [][]byte { return must(ber.Children(der)) }

// setOf returns a SET with the elements in their order.
func setOf(elements ...[]byte) []byte { return wrap(tagSet, slices.Concat(elements...)) }

// valueOf signs signed attributes, or whatever else is given.
func valueOf(p *trialpki.PKI, signed []byte) []byte { return must(p.Sign(digestOf(signed))) }

// signerOf returns a SignerInfo with signed attributes and a signature value.
func signerOf(p *trialpki.PKI, attributes, value []byte) []byte {
	return must(cms.BuildSigner(cms.SignedDataParams{
		SignedAttributes: attributes, SignatureValue: value,
		Chain: p.Credential.Chain, Algorithm: p.Credential.Algorithm, Hash: p.Credential.Hash,
	}))
}

// signed returns a SignerInfo over these attributes, in this order.
func signerWith(p *trialpki.PKI, attributes ...[]byte) []byte {
	set := setOf(attributes...)
	return signerOf(p, set, valueOf(p, set))
}

// fileOf returns a file with this content, the certificates of p, and signers.
func fileOf(p *trialpki.PKI, contentType asn1.ObjectIdentifier, content []byte, signers ...[]byte) []byte {
	m := cms.Message{
		DigestAlgorithms: [][]byte{cms.DigestAlgorithm(crypto.SHA256)},
		Content:          cms.Content{Type: contentType},
		Signers:          signers,
	}
	if content != nil {
		m.Content.Form, m.Content.Size = cms.Octets, int64(len(content))
	}
	for _, c := range p.Credential.Chain {
		m.Certificates = append(m.Certificates, c.Raw)
	}
	head, tail, err := m.Encode()
	if err != nil {
		panic(err)
	}
	return slices.Concat(head, content, tail)
}

// attribute returns an attribute with values, which are whole elements.
func attribute(oid asn1.ObjectIdentifier, values ...[]byte) []byte {
	return wrap(tagSequence, append(must(asn1.Marshal(oid)), setOf(values...)...))
}

// replaced returns a SignerInfo with other signed attributes. nil removes them.
func replaced(signer, attributes []byte) []byte {
	parts := elementsOf(signer)
	parts = slices.Delete(parts, 3, 4)
	if attributes != nil {
		parts = slices.Insert(parts, 3, wrap(tagExplicit0, attributes))
	}
	return wrap(tagSequence, slices.Concat(parts...))
}

// attack is a file that somebody made to be taken for what it is not.
type attack struct {
	file    []byte
	verdict Verdict
	want    string // part of the description
}

// TestAttackAttributes: the signed attributes are those of RFC 5652 and of the signer, once each.
func TestAttackAttributes(t *testing.T) {
	p := pki()
	good := attributesFor(p, sample)
	pick := func(oid asn1.ObjectIdentifier) int {
		return slices.IndexFunc(good, func(a []byte) bool { return bytes.Contains(a, must(asn1.Marshal(oid))) })
	}
	more := func(further ...[]byte) []byte { return signerWith(p, append(slices.Clone(good), further...)...) }
	without := func(oid asn1.ObjectIdentifier, further ...[]byte) []byte {
		i := pick(oid)
		return signerWith(p, append(slices.Delete(slices.Clone(good), i, i+1), further...)...)
	}
	octets := func(b []byte) []byte { return must(asn1.Marshal(b)) }
	reversed := slices.Clone(good)
	slices.Reverse(reversed)
	otherDigest := attribute(cms.OIDMessageDigest, octets(digestOf([]byte("another content"))))
	twoDigests := attribute(cms.OIDMessageDigest, octets(digestOf(sample)), octets(digestOf([]byte("another content"))))
	timestamp := attribute(cms.OIDContentType, must(asn1.Marshal(cms.OIDTSTInfo)))
	ess := elementsOf(elementsOf(good[pick(cms.OIDSigningCertificateV2)])[1])[0]
	twice := attribute(cms.OIDSigningCertificateV2, ess, ess)
	foreign := attributesFor(pkis()["P-384"], sample)
	signer := signerWith(p, good...)
	empty := func(value []byte) []byte { return replaced(signerOf(p, setOf(good...), value), []byte{}) }
	const once, baseline = "exactly once", "valid   (CAdES baseline: "
	for name, c := range map[string]struct {
		signer  []byte
		verdict Verdict
		want    string
	}{
		"none of it":                   {signer, Valid, "valid B-B"},
		"re-ordered after signing":     {replaced(signer, slices.Concat(reversed...)), Invalid, "does not match"},
		"signed in another order":      {signerWith(p, reversed...), Valid, baseline + "signed attributes are not in DER"},
		"two digests":                  {more(otherDigest), Invalid, once},
		"two digests in one attribute": {without(cms.OIDMessageDigest, twoDigests), Invalid, once},
		"no digest":                    {without(cms.OIDMessageDigest), Invalid, once},
		"no content-type":              {without(cms.OIDContentType), Invalid, once},
		"two content-types":            {more(timestamp), Invalid, once},
		"another content-type":         {without(cms.OIDContentType, timestamp), Invalid, "content-type differs"},
		"two certificates named":       {without(cms.OIDSigningCertificateV2, twice), Invalid, "has 2 values"},
		"another certificate named":    {signerWith(p, foreign...), Invalid, "names another certificate"},
		"no certificate named":         {without(cms.OIDSigningCertificateV2), Valid, baseline + "signing-certificate"},
		"two signing-times":            {more(good[pick(cms.OIDSigningTime)]), Valid, "signing-time is present 2 times"},
		"empty, signed as such":        {empty(valueOf(p, setOf())), Invalid, once},
		"empty, content signed":        {empty(valueOf(p, sample)), Invalid, once},
		"not attributes":               {replaced(signer, []byte{2, 1, 1}), "", "malformed"},
	} {
		attack{fileOf(p, nil, sample, c.signer), c.verdict, c.want}.run(t, name, VerifyOptions{})
	}
}

// run verifies the file. An empty verdict means that the file is refused.
func (c attack) run(t *testing.T, name string, o VerifyOptions) {
	t.Helper()
	r, err := Verify(t.Context(), inMemory(c.file), o)
	switch {
	case c.verdict == "":
		var cause string
		if e := signing.AsError(err); e != nil && e.Err != nil {
			cause = e.Err.Error()
		}
		if err == nil || signing.KindOf(err) != signing.KindDamaged || !strings.Contains(cause, c.want) {
			t.Errorf("%s: error = %v (%s), want that the file is damaged: %s", name, err, cause, c.want)
		}
	case err != nil:
		t.Errorf("%s: %v", name, err)
	case r.Verdict() != c.verdict || !strings.Contains(describe(r), c.want):
		t.Errorf("%s: %s, want %s: %s", name, describe(r), c.verdict, c.want)
	}
}

// TestAttackContent: a signature is for one content of one type.
func TestAttackContent(t *testing.T) {
	p, other := pki(), []byte("another content")
	good := attributesFor(p, sample)
	signer, set := signerWith(p, good...), setOf(good...)
	bare := replaced(signer, nil)
	spoiled := signerOf(p, set, valueOf(p, other))
	retagged := fileOf(p, nil, sample, signer)
	ofOther := signerWith(p, attributesFor(p, other)...)
	md5 := opensslSign(t, pkis()["RSA-SHA256"], sample, "DER", "-md", "md5")
	at := bytes.Index(retagged, sample) - 2
	retagged[at] = tagSequence
	for name, c := range map[string]attack{
		"swapped":              {fileOf(p, nil, other, signer), Invalid, "the content has another digest"},
		"empty":                {fileOf(p, nil, []byte{}, signer), Invalid, "the content has another digest"},
		"missing":              {fileOf(p, nil, nil, signer), Undetermined, "not in the file and was not given"},
		"of another type":      {fileOf(p, cms.OIDTSTInfo, sample, signer), Invalid, "content-type differs from the content"},
		"not an OCTET STRING":  {retagged, Invalid, "its content is not an OCTET STRING"},
		"its attributes":       {fileOf(p, nil, set, bare), Undetermined, "it has no signed attributes"},
		"attributes removed":   {fileOf(p, nil, sample, bare), Undetermined, "it has no signed attributes"},
		"no signer":            {fileOf(p, nil, sample), Unsigned, ""},
		"one of two is bad":    {fileOf(p, nil, sample, signer, spoiled), Invalid, "; valid B-B "},
		"the other one is bad": {fileOf(p, nil, sample, ofOther, signer), Invalid, "; valid B-B "},
		"followed by another":  {append(fileOf(p, nil, sample, signer), fileOf(p, nil, other, signer)...), Invalid, "follow"},
		"SHA-1":                {opensslSign(t, p, sample, "DER", "-cades", "-md", "sha1"), Undetermined, "made with SHA-1"},
		"SHA-1, altered":       {altered(opensslSign(t, p, sample, "DER", "-md", "sha1")), Invalid, "another digest"},
		"MD5":                  {md5, Undetermined, "hash algorithm is not supported"},
	} {
		c.run(t, name, VerifyOptions{})
	}
	detached := attack{fileOf(p, nil, nil, signer), Invalid, "the content has another digest"}
	detached.run(t, "detached, with another content", VerifyOptions{Content: inMemory(other)})
	detached = attack{fileOf(p, nil, nil, signer), Valid, "valid B-B"}
	detached.run(t, "detached", VerifyOptions{Content: inMemory(sample)})
}

// altered returns a file with another content.
func altered(file []byte) []byte { return bytes.Replace(file, []byte("invoice"), []byte("Invoice"), 1) }

// TestRoots: only the given roots are trusted, for signers and for authorities. Somebody who signs
// with names of others is not trusted.
func TestRoots(t *testing.T) {
	p := pki()
	twin := trialpki.New(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), signing.ECDSA, crypto.SHA256)
	foreign := &Format{Timestamper: twin, Revocation: p}
	byTwin := must(want{level: signing.LevelT}.signWith(t, foreign, p, want{level: signing.LevelT}.input(sample)))
	both := want{existing: signing.Cosign, pki: twin}.mustSign(t, want{}.mustSign(t, sample))
	const untrusted = "its certificate is not trusted"
	ours, twins := want{}.mustSign(t, sample), want{pki: twin}.mustSign(t, sample)
	for name, c := range map[string]struct {
		attack
		roots *x509.CertPool
	}{
		"its root":         {attack{want{level: signing.LevelLTA}.mustSign(t, sample), Valid, "valid B-LTA"}, p.Roots()},
		"no roots given":   {attack{twins, Valid, "valid B-B"}, nil},
		"no root trusted":  {attack{ours, Invalid, untrusted}, x509.NewCertPool()},
		"root of the name": {attack{twins, Invalid, untrusted}, p.Roots()},
		"authority":        {attack{byTwin, Invalid, "its timestamp: " + untrusted}, p.Roots()},
		"one of two":       {attack{both, Invalid, "; valid B-B "}, p.Roots()},
	} {
		c.run(t, name, VerifyOptions{Roots: c.roots})
	}
}
