package pades

import (
	"fmt"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// finish works out what depends on several signatures: their levels, and the changes after each
// signature.
func (v *verifier) finish() error {
	if err := v.checkStrayBytes(); err != nil {
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
			s.Tampered = append(s.Tampered,
				fmt.Sprintf("the revision that it covers cannot be read: %v", signing.AsError(err).Detail))
			continue
		}
		s.Changes, s.Tampered = append(c.allowed, c.forbidden...), append(s.Tampered, c.forbidden...)
	}
	return nil
}

// checkStrayBytes looks for bytes after each signature that belong to no revision. A reader that
// repairs the file may show objects in these bytes, and no comparison of revisions sees them.
func (v *verifier) checkStrayBytes() error {
	to := v.doc.Size()
	var later []string // findings after the signatures that come later
	if !v.doc.EndFound() {
		later = append(later, "readers do not find the end of the last revision, because too many bytes follow it")
	}
	for _, s := range slices.Backward(v.signatures) {
		if s.End > 0 && s.End < to {
			at, found, err := v.doc.Stray(v.ctx, s.End, to)
			switch {
			case err != nil && (v.ctx.Err() != nil || signing.KindOf(err) == signing.KindStorage):
				return err
			case err != nil:
				later = appendOnce(later, "the appended bytes cannot be divided into revisions: "+signing.AsError(err).Detail)
			case found:
				later = append([]string{fmt.Sprintf("the bytes from offset %d belong to no revision", at)}, later...)
			}
			to = s.End
		}
		if s.End > 0 && !s.Whole {
			s.Tampered = append(s.Tampered, later...)
		}
	}
	return nil
}

// level sets the baseline level of s, which also depends on the document timestamps after it (ETSI
// EN 319 142-1 6.3).
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
		if v.store.Covers(chain) != nil {
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

// archived reports whether the revision that ends at end holds the validation data of s.
func (v *verifier) archived(end int64, s *verified) bool {
	prefix, err := v.doc.Prefix(end)
	if err != nil {
		return false
	}
	store, err := readStore(prefix)
	return err == nil && store.Covers(s.chains[0]) == nil
}
