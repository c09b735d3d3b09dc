package pades

import (
	"crypto"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

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
	if err := v.strays(); err != nil {
		return err
	}
	for i, s := range v.signatures {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		v.doc.Renew()
		v.judgeTime(s, v.signatures[i+1:])
		v.level(s, v.signatures[i+1:])
		if s.End == 0 || s.Whole {
			continue
		}
		c, err := v.compare(s)
		if err != nil {
			s.Tampered = append(
				s.Tampered,
				fmt.Sprintf("the revision that it covers cannot be read: %v", signing.AsError(err).Detail),
			)
			continue
		}
		s.Changes, s.Tampered = append(c.allowed, c.forbidden...), append(s.Tampered, c.forbidden...)
	}
	return nil
}

// strays looks for bytes behind each signature that belong to no revision. A reader that repairs
// the file may show the objects among them, which no comparison of revisions sees.
func (v *verifier) strays() error {
	to := v.doc.Size()
	var later []string // found behind the signatures that come after
	if !v.doc.EndFound() {
		later = append(later, "so many bytes were appended that readers do not find the end of the last revision")
	}
	for _, s := range slices.Backward(v.signatures) {
		if s.End > 0 && s.End < to {
			at, found, err := v.doc.Stray(v.ctx, s.End, to)
			switch {
			case err != nil && (v.ctx.Err() != nil || signing.KindOf(err) == signing.KindStorage):
				return err
			case err != nil:
				later = appendOnce(later, "what was appended cannot be told apart: "+signing.AsError(err).Detail)
			case found:
				later = append([]string{fmt.Sprintf("the bytes from %d on belong to no revision", at)}, later...)
			}
			to = s.End
		}
		if s.End > 0 && !s.Whole {
			s.Tampered = append(s.Tampered, later...)
		}
	}
	return nil
}

// level is the baseline level of s, with the document timestamps after it (ETSI EN 319 142-1 6.3).
func (v *verifier) level(s *verified, later []*verified) {
	if !s.baseline || s.Timestamp || len(s.Faults) > 0 {
		return
	}
	s.Level = signing.LevelB
	if s.weak != nil {
		s.Notes = append(s.Notes, fmt.Sprintf("its timestamp does not count for the level: %v", s.weak))
		return
	}
	if s.Stamped.IsZero() {
		return
	}
	s.Level = signing.LevelT
	for _, chain := range s.chains {
		if v.store.covers(chain) != nil {
			return
		}
	}
	s.Level = signing.LevelLT
	for _, t := range later {
		if t.Timestamp && len(t.Faults) == 0 && len(t.Unjudged) == 0 && t.weak == nil && v.archived(t.End, s) {
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
