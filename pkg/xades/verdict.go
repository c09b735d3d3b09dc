package xades

import (
	"crypto/x509"
	"encoding/base64"
	"slices"
	"strings"
	"time"

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
	j.checkValue(s.Certificate)
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

// checkReferences compares the digests.
func (j *judge) checkReferences() {
	for i := range j.references {
		r := &j.references[i]
		if r.element != nil && r.element.count > 1 {
			j.refuse("reference %d names an Id that is in the document %d times, want once", i+1, r.element.count)
			continue
		}
		if r.element != nil && r.element.count == 0 {
			// The element is missing, or its Id is an attribute that only its schema declares as one.
			j.giveUp("reference %d names an Id that is not in the document", i+1)
			continue
		}
		if j.isLeftOut(r) {
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

// isLeftOut says whether a transform of the reference leaves out the element that it names.
func (j *judge) isLeftOut(r *plannedReference) bool {
	switch e := r.element; {
	case e == nil:
		return false
	case r.leavesOut:
		return slices.ContainsFunc(j.all, func(s *foundSignature) bool { return s.contains(e) })
	default:
		return r.part.omits && j.found.contains(e)
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
	for i := range j.references {
		r := &j.references[i]
		r.properties = r.isProperties() || r.element != nil && r.element.start == f.properties || r.selects
	}
	if f.counts[pQualifying] == 0 {
		j.giveUp("it is not a XAdES signature, or its properties are elsewhere")
		return
	}
	switch {
	case f.counts[pQualifying] != 1 || f.counts[pProperties] != 1:
		j.refuse("its qualifying properties do not belong to it")
		return
	case f.target == "#"+f.id && f.id != "":
	case f.target == f.id:
		j.giveUp("the target of its qualifying properties does not name an Id")
	default:
		j.refuse("its qualifying properties do not belong to it")
	}
	signed := 0
	for i := range j.references {
		r := &j.references[i]
		if !r.properties {
			continue
		}
		signed++
		switch {
		case r.element == nil:
			j.giveUp("the reference to the signed properties does not name them by their Id")
		case r.element.start == f.properties && r.isProperties() && !r.selects:
		case r.selects && f.holdsProperties(r.element) && r.isProperties():
		case r.element.start == f.properties, r.selects && f.holdsProperties(r.element):
			j.giveUp("the reference to the signed properties does not have their type")
		case r.digest == nil: // its transforms may select something else
		default:
			j.refuse("the signed properties are not the ones in this signature")
		}
	}
	if signed != 1 {
		j.refuse("%d references cover the signed properties, want one", signed)
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
	if s.SigningTime.IsZero() || j.found.counts[pV2] != 1 || j.found.counts[pV1] != 0 || !j.inKeyInfo {
		return false
	}
	formats := map[string]bool{}
	for _, id := range j.found.formats {
		formats[id] = true
	}
	for i := range j.references {
		r := &j.references[i]
		keyInfo := r.element != nil && r.element.start == j.found.keyInfo // it is no data
		if !r.isProperties() && !keyInfo && !formats["#"+r.id] {
			return false
		}
	}
	return true
}
