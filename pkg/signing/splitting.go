package signing

import (
	"errors"
	"math/bits"
)

// splitting is the state of a call that was refused and is repeated in parts.
type splitting struct {
	limit, refused int
	signed         bool
	reason         error // why no more parts are sent; nil = more may be sent
}

// newSplitting allows as many refusals as it takes to find one bad digest among n by halving, and a
// few more.
func newSplitting(n int) *splitting { return &splitting{limit: bits.Len(uint(n)) + 3} }

// halves returns the halves of a call that was definitely refused, so that one bad digest does not
// fail its neighbours. It returns nil if the halves are not worth a call each. That is so after an
// unknown outcome. It is so if the refusal was about the proxy (credentials, account, too many
// requests), because the halves would be refused too, and a wrong PIN would be counted twice. It is
// also so if all parts so far were refused, because then the digests are not the cause.
func (s *splitting) halves(err error, items []*item) [][]*item {
	s.signed = s.signed || err == nil
	var e *Error
	if !errors.As(err, &e) || e.Kind != KindProvider || e.Unknown || e.Retry {
		return nil
	}
	if s.refused++; s.refused >= s.limit && !s.signed {
		s.reason = err
	}
	if len(items) < 2 || s.reason != nil {
		return nil
	}
	return [][]*item{items[:len(items)/2], items[len(items)/2:]}
}
