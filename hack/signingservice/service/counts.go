package service

import (
	"maps"
	"sync"
)

// Counts holds what has happened since the start.
type Counts struct {
	// Calls by path without the leading slash (csc/v2/signatures/signHash), including refused calls
	// and calls with a fault.
	Calls map[string]int64 `json:"calls"`
	// Signatures that were made. A real service charges for all of them, delivered or not.
	Signatures int64 `json:"signatures"`
	// SignaturesBy credential.
	SignaturesBy map[string]int64 `json:"signaturesBy"`
	// Tokens issued.
	Tokens int64 `json:"tokens"`
	// Held signHash requests that wait for a release.
	Held int `json:"held"`
	// LargestBatch of hashes in one signHash.
	LargestBatch int `json:"largestBatch"`
}

// counts collects Counts.
type counts struct {
	mu   sync.Mutex
	seen Counts
}

func (c *counts) change(f func(*Counts)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen.Calls == nil {
		c.seen.Calls, c.seen.SignaturesBy = make(map[string]int64), make(map[string]int64)
	}
	f(&c.seen)
}

func (c *counts) call(key string) { c.change(func(n *Counts) { n.Calls[key]++ }) }

func (c *counts) token() { c.change(func(n *Counts) { n.Tokens++ }) }

func (c *counts) signatures(credential string, n int) {
	c.change(func(seen *Counts) {
		seen.Signatures += int64(n)
		seen.SignaturesBy[credential] += int64(n)
		seen.LargestBatch = max(seen.LargestBatch, n)
	})
}

func (c *counts) snapshot(held int) (out Counts) {
	c.change(func(seen *Counts) {
		out = *seen
		out.Calls, out.SignaturesBy, out.Held = maps.Clone(seen.Calls), maps.Clone(seen.SignaturesBy), held
	})
	return out
}
