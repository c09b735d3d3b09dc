package pades

import (
	"crypto"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// digest hashes the bytes that a ByteRange covers.
func (v *verifier) digest(r byteRange, algorithm crypto.Hash) ([]byte, error) {
	h := algorithm.New()
	if err := hashRange(v.ctx, h, v.r, 0, r.gapStart); err != nil {
		return nil, err
	}
	if err := hashRange(v.ctx, h, v.r, r.gapEnd, r.end); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}

// finish works out what depends on several signatures: levels, and changes after each.
func (v *verifier) finish() error {
	store, err := readStore(v.doc)
	if err != nil {
		return err
	}
	for i, s := range v.signatures {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		v.doc.Renew()
		v.level(s, v.signatures[i+1:], store)
		if s.End == 0 || s.Whole {
			continue
		}
		c, err := compare(v.doc, s.End, s.permission)
		if err != nil {
			s.Tampered = append(s.Tampered, fmt.Sprintf("the revision that it covers cannot be read: %v", signing.AsError(err).Detail))
			continue
		}
		s.Changes, s.Tampered = append(c.allowed, c.forbidden...), c.forbidden
	}
	return nil
}

// level is the baseline level of s, with the document timestamps after it (ETSI EN 319 142-1 6.3).
func (v *verifier) level(s *verified, later []*verified, store *store) {
	if !s.baseline || s.Timestamp || len(s.Faults) > 0 {
		return
	}
	s.Level = signing.LevelB
	chains := s.chains
	stamped := !s.Stamped.IsZero()
	for _, t := range later {
		if !stamped && t.Timestamp && len(t.Faults) == 0 {
			stamped, s.Stamped = true, t.Stamped
			chains = append(chains[:len(chains):len(chains)], t.chains...)
		}
	}
	if !stamped {
		return
	}
	s.Level = signing.LevelT
	for _, chain := range chains {
		if store.covers(chain) != nil {
			return
		}
	}
	s.Level = signing.LevelLT
	for _, t := range later {
		if t.Timestamp && len(t.Faults) == 0 && v.archived(t.End, s) {
			s.Level = signing.LevelLTA
		}
	}
}

// archived reports whether the revision that ends there holds the validation data of s.
func (v *verifier) archived(end int64, s *verified) bool {
	prefix, err := v.doc.Prefix(end)
	if err != nil {
		return false
	}
	store, err := readStore(prefix)
	return err == nil && store.covers(s.chains[0]) == nil
}

// parseDate reads a date string (ISO 32000-2 7.9.4); zero where it is none.
func parseDate(s string) time.Time {
	s = strings.TrimPrefix(s, "D:")
	const full = "20060102150405"
	if len(s) < len(full) {
		return time.Time{}
	}
	t, err := time.Parse(full, s[:len(full)])
	if err != nil {
		return time.Time{}
	}
	zone := strings.ReplaceAll(s[len(full):], "'", "")
	if len(zone) < 3 || zone[0] != '+' && zone[0] != '-' {
		return t
	}
	hours, err1 := strconv.Atoi(zone[1:3])
	minutes := 0
	var err2 error
	if len(zone) >= 5 {
		minutes, err2 = strconv.Atoi(zone[3:5])
	}
	if err1 != nil || err2 != nil {
		return t
	}
	shift := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if zone[0] == '+' {
		shift = -shift
	}
	return t.Add(shift)
}

// comparison is what changed between two revisions, in words.
type comparison struct {
	old, now  *pdf.Document
	allowed   []string
	forbidden []string
	// permission is /P of the certification, if it is one that is compared: 1 allows nothing but timestamps and validation data.
	permission int64
	roles      map[pdf.Ref]string // of objects that may come and change after a signature
	isWidget   map[pdf.Ref]bool   // of signature fields
}

// compare holds the document against its revision that ends at a byte, where a signature with that /P of a certification lies.
func compare(doc *pdf.Document, end, permission int64) (*comparison, error) {
	old, err := doc.Prefix(end)
	if err != nil {
		return nil, err
	}
	c := &comparison{old: old, now: doc, permission: permission, roles: map[pdf.Ref]string{}, isWidget: map[pdf.Ref]bool{}}
	changed, err := doc.ChangedSince(end)
	if err != nil {
		return nil, err
	}
	if err := c.findRoles(); err != nil {
		return nil, err
	}
	added := map[string]int{}
	for _, number := range changed {
		_, before, err := old.ByNumber(number)
		if err != nil {
			return nil, err
		}
		ref, after, err := doc.ByNumber(number)
		switch {
		case err != nil:
			return nil, err
		case before == nil:
			added[c.roles[ref]]++ // what nothing refers to yet is seen where it is referred to
		case after == nil:
			c.mayNot("object %d was removed", number)
		default:
			c.object(ref, before, after)
		}
	}
	if n := added[roleSignature]; n > 0 {
		c.fill("%d %s added", n, roleSignature)
	}
	if n := added[roleTimestamp]; n > 0 {
		c.may("%d %s added", n, roleTimestamp)
	}
	if added[roleStore] > 0 {
		c.may("%s added", roleStore)
	}
	return c, nil
}
