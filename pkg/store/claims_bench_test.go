package store_test

import (
	"sync/atomic"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// BenchmarkClaim writes claims from 32 goroutines, as a home of busy instances does, and from one.
// It reports how many commits a claim takes. A claim alone takes one.
func BenchmarkClaim(b *testing.B) {
	for name, parallel := range map[string]int{"alone": 0, "concurrent": 16} {
		b.Run(name, func(b *testing.B) {
			var commits, n atomic.Int64
			cfg := store.Config{Folder: b.TempDir()}
			cfg.OnStep(func(step string) {
				if step == "committed" {
					commits.Add(1)
				}
			})
			s, err := store.Open(b.Context(), cfg)
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			c := s.Claims(0)
			claim := func() {
				next := claimed(int(n.Add(1)), 1)
				if _, _, err := c.Get(b.Context(), next.Key); err != nil {
					b.Error(err)
				}
				if ok, err := c.Swap(b.Context(), next.Key, 0, next); err != nil || !ok {
					b.Error(ok, err)
				}
			}
			b.ResetTimer()
			if parallel == 0 {
				for range b.N {
					claim()
				}
			} else {
				b.SetParallelism(parallel)
				b.RunParallel(func(p *testing.PB) {
					for p.Next() {
						claim()
					}
				})
			}
			b.ReportMetric(float64(commits.Load())/float64(b.N), "commits/claim")
			st, err := s.Stats(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(st.MetadataBytes)/float64(b.N), "bytes/claim")
		})
	}
}
