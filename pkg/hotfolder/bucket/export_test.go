package bucket

import (
	"context"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/pace"
)

// Impatient shortens all time limits, for tests with a store that does not answer.
func (s *Stores) Impatient() {
	s.patience = patience{attempts: 2, small: 200 * time.Millisecond, data: 200 * time.Millisecond,
		copying: 200 * time.Millisecond, backoff: pace.Backoff{First: time.Millisecond}}
}

// Hasty makes the pauses between attempts short.
func (s *Stores) Hasty() {
	s.patience.backoff = pace.Backoff{First: time.Millisecond, Max: time.Millisecond}
}

// Conditional reports whether the store supports conditional writes.
func (f *Folder) Conditional(ctx context.Context) error {
	return f.claims.able.conditional(ctx, f.claims.shared)
}
