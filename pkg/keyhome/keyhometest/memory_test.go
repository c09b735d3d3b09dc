package keyhometest

import (
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
)

// TestMemory runs the conformance suite against the table in memory.
func TestMemory(t *testing.T) {
	Run(t, func(*testing.T) func() keyhome.Table {
		m := NewMemory("folder")
		return func() keyhome.Table { return m }
	})
}
