package xades

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha1" // for digests of signing certificates
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/evidence"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// judged is a signature with what its level depends on.
type judged struct {
	Signature
	weak     string                // why a timestamp does not count for the level; empty if it counts
	chains   [][]*x509.Certificate // of the signer and of the authorities of its timestamps
	evidence *evidence.Set         // all validation data in the signature
	stampers []stamper             // of the timestamps that are right
	archives []int                 // indexes of the unsigned properties with archive timestamps
}

// result returns what was found out, when everything is measured.
func (j *judge) result() *judged {
	f := j.found
	s := &judged{Signature: Signature{ID: f.id, Start: f.start, End: f.end}, evidence: &evidence.Set{}}
	if t, err := time.Parse(time.RFC3339, strings.TrimSpace(f.signingTime)); err == nil && f.counts[pTime] == 1 {
		s.SigningTime = t
	}
	s.Certificate = j.certificate()
	j.checkReferences()
	j.checkProperties()
	s.Covers = j.coverage()
	if s.Certificate != nil && j.signedInfo != nil {
		j.checkValue(s.Certificate)
	}
	j.checkStamps(s)
	s.Level = j.level(s)
	switch {
	case j.invalid != "":
		s.Verdict, s.Reason = Invalid, j.invalid
	case j.unknown != "":
		s.Verdict, s.Reason = Undetermined, j.unknown
	default:
		s.Verdict = Valid
	}
	return s
}

// decode decodes base64 with blanks in it.
func decode(text string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
}

// sha1URI names SHA-1, which is accepted only for the digest of the signing certificate: a second
// certificate with the same digest cannot be made, and the signature value depends on the key.
const sha1URI = dsNamespace + "sha1"

// certificate returns the certificate that the signed properties name, out of those in KeyInfo.
func (j *judge) certificate() *x509.Certificate {
	f := j.found
	if len(f.certificates) == 0 {
		j.giveUp("it does not contain the signing certificate")
		return nil
	}
	if len(f.certificate) == 0 {
		j.giveUp("it has no SigningCertificate property")
		return nil
	}
	hash, ok := keyOf(digestMethods, f.certificate[0].method)
	if f.certificate[0].method == sha1URI {
		hash, ok = crypto.SHA1, true
	}
	want, err := decode(f.certificate[0].value)
	if err != nil {
		j.refuse("the digest of the signing certificate is malformed")
		return nil
	}
	if !ok {
		j.giveUp("the digest method of the signing certificate is not supported")
		return nil
	}
	for _, text := range f.certificates {
		der, err := decode(text)
		if err != nil {
			continue
		}
		h := hash.New()
		h.Write(der)
		if !bytes.Equal(h.Sum(nil), want) {
			continue
		}
		c, err := certchain.Parse(der)
		if err != nil {
			j.giveUp("the signing certificate cannot be read")
			return nil
		}
		return c
	}
	j.refuse("no certificate in it is the one that the signed properties name")
	return nil
}

// checkReferences compares the digests.
func (j *judge) checkReferences() {
	for i, r := range j.references {
		if r.element != nil && r.element.count > 1 {
			j.refuse("reference %d names an Id that is in the document %d times, want once", i+1, r.element.count)
			continue
		}
		if r.element != nil && r.element.count == 0 {
			// The element is missing, or its Id is an attribute that only its schema declares as one.
			j.giveUp("reference %d names an Id that is not in the document", i+1)
			continue
		}
		if r.element != nil && r.leavesOut && j.found.contains(r.element) {
			j.giveUp("reference %d leaves out what it names", i+1)
			continue
		}
		want, err := decode(r.digestValue)
		if err != nil {
			j.refuse("the digest of reference %d is malformed", i+1)
			continue
		}
		if r.digest != nil && !r.digest.is(want) {
			j.refuse("the digest of reference %d is wrong: what it covers was changed", i+1)
		}
	}
}

// isProperties says whether the reference says that it names the signed properties. Older versions
// of XAdES have other identifiers.
func (r *foundReference) isProperties() bool {
	return strings.HasPrefix(r.kind, "http://uri.etsi.org/01903") && strings.HasSuffix(r.kind, "#SignedProperties")
}

// checkProperties checks that the signature signs its own SignedProperties, and that they belong to
// it (ETSI EN 319 132-1 4.4).
func (j *judge) checkProperties() {
	f := j.found
	if f.counts[pQualifying] == 0 {
		j.giveUp("it is not a XAdES signature, or its properties are elsewhere")
		return
	}
	if f.counts[pQualifying] != 1 || f.counts[pProperties] != 1 || f.target != "#"+f.id || f.id == "" {
		j.refuse("its qualifying properties do not belong to it")
		return
	}
	signed := 0
	for i := range j.references {
		r := &j.references[i]
		if r.isProperties() {
			signed++
			switch {
			case r.element == nil:
				j.giveUp("the reference to the signed properties does not name them by their Id")
			case r.element.start != f.properties || r.leavesOut:
				j.refuse("the signed properties are not the ones in this signature")
			}
		}
	}
	if signed != 1 {
		j.refuse("%d references cover the signed properties, want one", signed)
	}
}

// coverage returns the most that a reference to data covers. It examines all of them.
func (j *judge) coverage() Coverage {
	f := j.found
	var document, around, object bool
	for i := range j.references {
		r := &j.references[i]
		e := r.element
		switch {
		case r.isProperties() || !r.named:
		case e == nil:
			document = document || r.uri == "" && f.depth > 1
		case e.count != 1:
		case e.start < f.start && e.end >= f.end:
			document = document || e.depth == 1
			around = true
		case f.isObject(e):
			object = true
		case e.object:
			j.refuse("reference %d names an object that is not a child of the signature", i+1)
		case !f.contains(e):
			j.giveUp("reference %d names another part of the document", i+1)
		}
	}
	switch {
	case document:
		return CoversDocument
	case around:
		return CoversElement
	case object:
		return CoversObject
	}
	j.giveUp("it covers no part of the document")
	return CoversNothing
}

// checkValue verifies the signature value with the key of the certificate.
func (j *judge) checkValue(c *x509.Certificate) {
	value, err := decode(j.found.value)
	if err != nil {
		j.refuse("the signature value is malformed")
		return
	}
	sum, right := j.signedInfo.hash.Sum(nil), false
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		switch j.method.algorithm {
		case signing.RSAPKCS1:
			right = rsa.VerifyPKCS1v15(key, j.method.hash, sum, value) == nil
		case signing.RSAPSS:
			salt := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
			right = rsa.VerifyPSS(key, j.method.hash, sum, value, salt) == nil
		}
	case *ecdsa.PublicKey:
		n := orderSize(key.Curve)
		right = j.method.algorithm == signing.ECDSA && len(value) == 2*n &&
			ecdsa.Verify(key, sum, new(big.Int).SetBytes(value[:n]), new(big.Int).SetBytes(value[n:]))
	default:
		j.giveUp("the key of the signing certificate is not supported")
		return
	}
	if !right {
		j.refuse("the signature value is wrong")
	}
}

// level returns the baseline level.
func (j *judge) level(s *judged) signing.Level {
	switch {
	case j.invalid != "" || s.Certificate == nil || !j.followsBaseline(s):
		return ""
	case s.Stamped.IsZero() || s.weak != "":
		return signing.LevelB
	case j.found.hasRefs():
		return signing.LevelT
	}
	for _, chain := range s.chains {
		if s.evidence.Covers(chain) != nil {
			return signing.LevelT
		}
	}
	for _, at := range s.archives {
		// The data that the archive timestamp protects is in front of it.
		if j.found.evidenceOf(j.found.unsigned[:at]).Covers(s.chains[0]) == nil {
			return signing.LevelLTA
		}
	}
	return signing.LevelLT
}

// followsBaseline says whether the signature has the properties that every baseline signature must
// have (ETSI EN 319 132-1 6.3).
func (j *judge) followsBaseline(s *judged) bool {
	if s.SigningTime.IsZero() || j.found.counts[pV2] != 1 || j.found.counts[pV1] != 0 {
		return false
	}
	formats := map[string]bool{}
	for _, id := range j.found.formats {
		formats[id] = true
	}
	for i := range j.references {
		if r := &j.references[i]; !r.isProperties() && !formats["#"+r.id] {
			return false
		}
	}
	return true
}
