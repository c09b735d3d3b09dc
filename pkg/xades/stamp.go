package xades

import (
	"bytes"
	"crypto/x509"
	"errors"
	"hash"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/cms"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
	"github.com/signstash-proxy/signstash-proxy/pkg/xmlc14n"
)

// plannedStamp is a timestamp that is being judged.
type plannedStamp struct {
	*cms.Timestamp
	property int     // index of its property
	archive  bool    // it is an archive timestamp
	document *digest // of the first reference, for an archive timestamp
	rest     []*digest
	// objects are further ds:Object elements behind rest. others are those that no reference names.
	objects, others []*digest
}

// planStamps reads the timestamps and asks for what they are over.
func (j *judge) planStamps(m *measurer) {
	f := j.found
	if f.counts[pUnsigned] > 1 || f.counts[pProperty] > 1 {
		j.giveUp("it has several elements with unsigned properties")
		return
	}
	for i, p := range f.unsigned {
		if !p.isStamp() {
			continue
		}
		form, ok := formOf(&p.form)
		if p.form.uri == "" {
			form, ok = xmlc14n.Form{}, p.forms == 0
		}
		if !ok || p.forms > 1 || p.unknown || len(p.tokens) == 0 {
			j.giveUp("its %s has a form that is not supported", p.name())
			continue
		}
		for _, text := range p.tokens {
			t, err := readToken(text)
			if err != nil {
				j.addError(p, err)
				continue
			}
			p.stamps = append(p.stamps, t)
			if !t.Hash.Available() {
				j.giveUp("the hash algorithm of its %s is not supported", p.name())
				continue
			}
			s := &plannedStamp{Timestamp: t, property: i, archive: p.path == pArchive}
			j.planStamp(m, s, form)
			j.stamps = append(j.stamps, s)
		}
	}
}

// readToken reads a token in base64.
func readToken(text string) (*cms.Timestamp, error) {
	der, err := decode(text)
	if err != nil {
		return nil, errors.New("it is malformed")
	}
	return cms.ParseTimestamp(der)
}

// name returns the name of a timestamp for reasons.
func (p *foundProperty) name() string {
	if p.path == pArchive {
		return "archive timestamp"
	}
	return "timestamp"
}

// addError notes an error of pkg/cms, which tells a wrong timestamp from one that cannot be judged.
func (j *judge) addError(p *foundProperty, err error) {
	if errors.Is(err, cms.ErrUnsupported) {
		j.giveUp("its %s: %v", p.name(), err)
		return
	}
	j.refuse("its %s: %v", p.name(), err)
}

// planStamp asks for what the timestamp is over: SignatureValue (ETSI EN 319 132-1 5.3), or
// everything in front of the timestamp (5.5.2.2).
func (j *judge) planStamp(m *measurer, s *plannedStamp, form xmlc14n.Form) {
	f := j.found
	kept := func(offset int64) *digest { return j.measure(m, part{element: offset}.withForm(form)) }
	at := func(offset int64) { s.rest = append(s.rest, kept(offset)) }
	if !s.archive {
		at(f.signatureValue)
		return
	}
	for i := range j.references {
		r := &j.references[i]
		p := r.part
		if r.digest == nil {
			return // a reason was given
		}
		if !r.canonical && !p.base64 {
			p = p.withForm(dereferenced(form))
		}
		if i == 0 {
			p.hash = s.Hash
			s.document = j.measure(m, p)
			continue
		}
		p.hash = 0
		if r.isProperties() && f.properties >= 0 {
			p.element, p.id = f.properties, "" // as checkProperties demands
		}
		s.rest = append(s.rest, j.measure(m, p))
	}
	at(f.signedInfo)
	at(f.signatureValue)
	if f.keyInfo >= 0 {
		at(f.keyInfo)
	}
	for _, p := range f.unsigned[:s.property] {
		at(p.start)
	}
	for _, o := range f.objects {
		if o.properties {
			continue
		}
		s.objects = append(s.objects, kept(o.start))
		named := func(r plannedReference) bool { return o.id != "" && r.uri == "#"+o.id }
		if !slices.ContainsFunc(j.references, named) {
			s.others = append(s.others, kept(o.start))
		}
	}
}

// digest returns the digest of what the timestamp is over, and false if it is not known. An archive
// timestamp is over all objects except the one with the qualifying properties (ETSI EN 319 132-1
// 5.5.2.2). Some programs leave out those that a reference names, because they are covered already.
// This is accepted too.
func (s *plannedStamp) digest() ([]byte, bool) {
	sum, known := s.digestWith(s.objects)
	if bytes.Equal(sum, s.Imprint) || len(s.objects) == len(s.others) {
		return sum, known
	}
	return s.digestWith(s.others)
}

func (s *plannedStamp) digestWith(objects []*digest) ([]byte, bool) {
	h := s.Hash.New()
	if s.archive {
		if s.document == nil {
			return nil, false
		}
		// The hash goes on behind the first reference.
		c, ok := s.document.hash.(hash.Cloner)
		if !ok {
			return nil, false
		}
		clone, err := c.Clone()
		if err != nil {
			return nil, false
		}
		h = clone
	}
	for _, d := range slices.Concat(s.rest, objects) {
		if d == nil || d.form.tooLarge {
			return nil, false
		}
		h.Write(d.form.bytes)
	}
	return h.Sum(nil), true
}

// checkStamps verifies the timestamps and collects what the level depends on.
func (j *judge) checkStamps(s *judged) {
	f := j.found
	s.evidence = f.evidenceOf(f.unsigned)
	for _, p := range f.unsigned {
		if name := notJudged[p.local]; name != "" && !p.isStamp() {
			s.Notes = append(s.Notes, "its "+name+" is not judged")
		}
	}
	for _, t := range j.stamps {
		j.checkStamp(s, t)
	}
	if s.Certificate == nil || s.Stamped.IsZero() {
		return // the level does not depend on the chains
	}
	chain := certchain.Link(s.Certificate, s.evidence.Certificates, s.Stamped)
	s.chains = append([][]*x509.Certificate{chain}, s.chains...)
}

func (j *judge) checkStamp(s *judged, t *plannedStamp) {
	p := j.found.unsigned[t.property]
	sum, known := t.digest()
	if !known {
		j.giveUp("what its %s is over is too large or not supported", p.name())
		return
	}
	authority, err := t.Verify(sum, t.Hash, s.evidence.Certificates...)
	if err != nil {
		j.addError(p, err)
		return
	}
	s.stampers = append(s.stampers, stamper{t, authority, p.name()})
	weak := t.CheckAlgorithms(authority, s.evidence.Certificates...)
	if weak != nil {
		s.Notes = append(s.Notes, "its "+p.name()+" does not count for the level: "+weak.Error())
	}
	switch {
	case t.archive:
		if weak == nil {
			s.archives = append(s.archives, t.property)
		}
		return
	case s.Stamped.IsZero():
		s.Stamped = t.Time
	}
	if weak != nil {
		s.weak = weak.Error()
	}
	s.chains = append(s.chains, certchain.Link(authority, s.evidence.Certificates, t.Time))
}
