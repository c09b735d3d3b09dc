// Package certchain reads certificates as real authorities issue them and puts them into the order
// of a chain.
package certchain

import (
	"bytes"
	"crypto/x509"
	"slices"
	"time"
)

const (
	// maxLength is the longest chain, leaf and root included. Public chains have at most five
	// certificates, company chains a few more.
	maxLength = 20
	// maxChecks is the largest number of signatures that one search verifies. It is bounded because
	// the certificates may come from anybody, for example from a PDF.
	maxChecks = 256
	// maxSteps is the largest number of certificates that one search visits. Without this bound,
	// cross-certificates could make the number of paths explode.
	maxSteps = 1024
)

// Link returns the best chain upwards from leaf that can be built from others. It prefers a chain
// whose issuers are all valid at that time, then one that ends at a root, then the longest one,
// then the one whose certificates expire later (RFC 4158 3.5 has such criteria). The validity of
// the leaf itself does not count. The certificates in others may come in any order. Link leaves out
// duplicates and certificates that do not belong to the chain. The chain ends at a root or where no
// issuer is known: see MissingIssuer.
func Link(leaf *x509.Certificate, others []*x509.Certificate, at time.Time) []*x509.Certificate {
	s := &search{
		others: others, at: at, checks: maxChecks, steps: maxSteps,
		signed: make(map[pair]bool), roots: make(map[*x509.Certificate]bool),
	}
	s.climb([]*x509.Certificate{leaf})
	return s.best
}

// Order returns the best chain in a list of certificates that come in any order. It returns nil for
// an empty list. The leaf is the first certificate, unless that one belongs to a CA. Then the leaf
// is the first certificate that does not belong to a CA and is not the issuer of another in the
// list.
func Order(all []*x509.Certificate, at time.Time) []*x509.Certificate {
	if len(all) == 0 {
		return nil
	}
	return Link(leafOf(all), all, at)
}

func leafOf(all []*x509.Certificate) *x509.Certificate {
	if !all[0].IsCA && !issuesAny(all[0], all) {
		return all[0]
	}
	// A second pass accepts a leaf that is marked as a CA, because a company's own CA may mark the
	// certificates of its users so.
	for _, wantUser := range []bool{true, false} {
		for _, c := range all {
			if !issuesAny(c, all) && !(wantUser && c.IsCA) && (wantUser || !IsRoot(c)) {
				return c
			}
		}
	}
	return all[0]
}

// Newest returns the certificate to use when a key has several. It prefers one that is valid at
// that time, and then the one that expires last. It returns nil for an empty list.
func Newest(list []*x509.Certificate, at time.Time) *x509.Certificate {
	var best *x509.Certificate
	for _, c := range list {
		if best == nil || validAt(c, at) && !validAt(best, at) ||
			validAt(c, at) == validAt(best, at) && c.NotAfter.After(best.NotAfter) {
			best = c
		}
	}
	return best
}

func validAt(c *x509.Certificate, at time.Time) bool {
	return !at.Before(c.NotBefore) && !at.After(c.NotAfter)
}

// issuesAny reports whether c has the issuer name of another certificate in all. It compares names
// only. That is enough to recognise a CA's certificate that lacks the basicConstraints extension.
func issuesAny(c *x509.Certificate, all []*x509.Certificate) bool {
	return slices.ContainsFunc(all, func(o *x509.Certificate) bool {
		return bytes.Equal(o.RawIssuer, c.RawSubject) && !bytes.Equal(o.RawSubject, c.RawSubject)
	})
}

// MissingIssuer returns the name of the issuer that the chain lacks. It returns an empty string
// when the chain ends at a root. The name is cleaned and bounded, so it can be logged.
func MissingIssuer(chain []*x509.Certificate) string {
	if len(chain) == 0 || IsRoot(chain[len(chain)-1]) {
		return ""
	}
	return Name(chain[len(chain)-1].Issuer)
}

// pair is a certificate and a possible issuer.
type pair struct{ cert, issuer *x509.Certificate }

// search looks for the best chain.
type search struct {
	others        []*x509.Certificate
	at            time.Time
	checks, steps int // how many are left before the search stops
	signed        map[pair]bool
	roots         map[*x509.Certificate]bool
	best          []*x509.Certificate
}

// climb extends the path in every possible way and keeps the best of the paths that cannot be
// extended further.
func (s *search) climb(path []*x509.Certificate) {
	s.steps--
	extended := false
	if top := path[len(path)-1]; len(path) < maxLength && !s.isRoot(top) {
		for _, issuer := range s.others {
			if s.steps <= 0 {
				break
			}
			if !onPath(path, issuer) && s.isSigned(top, issuer) {
				extended = true
				s.climb(append(path, issuer))
			}
		}
	}
	if !extended && (s.best == nil || s.better(path)) {
		s.best = slices.Clone(path)
	}
}

// onPath reports whether the path contains the certificate already, or another one with the same
// name and key. Without the second check, two CAs that certify each other would make a loop (RFC
// 4158 5.2).
func onPath(path []*x509.Certificate, c *x509.Certificate) bool {
	return slices.ContainsFunc(path, func(p *x509.Certificate) bool {
		return bytes.Equal(p.RawSubject, c.RawSubject) &&
			bytes.Equal(p.RawSubjectPublicKeyInfo, c.RawSubjectPublicKeyInfo)
	})
}

func (s *search) isSigned(c, issuer *x509.Certificate) bool {
	if !bytes.Equal(c.RawIssuer, issuer.RawSubject) {
		return false
	}
	key := pair{c, issuer}
	signed, known := s.signed[key]
	if !known && s.checks > 0 {
		s.checks--
		signed = SignedBy(c, issuer)
		s.signed[key] = signed
	}
	return signed
}

func (s *search) isRoot(c *x509.Certificate) bool {
	root, known := s.roots[c]
	if !known {
		root = IsRoot(c)
		s.roots[c] = root
	}
	return root
}

// better reports whether the path is better than the best one so far.
func (s *search) better(path []*x509.Certificate) bool {
	valid, complete := s.valid(path), s.isRoot(path[len(path)-1])
	bestValid, bestComplete := s.valid(s.best), s.isRoot(s.best[len(s.best)-1])
	switch {
	case valid != bestValid:
		return valid
	case complete != bestComplete:
		return complete
	case len(path) != len(s.best):
		return len(path) > len(s.best)
	}
	for i, c := range path {
		if !c.NotAfter.Equal(s.best[i].NotAfter) {
			return c.NotAfter.After(s.best[i].NotAfter)
		}
	}
	return false
}

func (s *search) valid(path []*x509.Certificate) bool { return ValidIssuers(path, s.at) }

// ValidIssuers reports whether every certificate of a chain above the leaf is valid at that time.
func ValidIssuers(chain []*x509.Certificate, at time.Time) bool {
	return !slices.ContainsFunc(chain[1:], func(c *x509.Certificate) bool { return !validAt(c, at) })
}
