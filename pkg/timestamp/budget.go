package timestamp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/durable"
)

// budgetFile stores the times of requests by authority URL. With an empty path it stores nothing.
type budgetFile struct {
	mu   sync.Mutex
	path string
}

func (f *budgetFile) load() (map[string][]time.Time, error) {
	if f.path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read budget file: %w", err)
	}
	var sent map[string][]time.Time
	if err := json.Unmarshal(data, &sent); err != nil {
		return nil, fmt.Errorf("read budget file %s: %w", f.path, err)
	}
	return sent, nil
}

// save writes the request times of all authorities that have a budget.
func (f *budgetFile) save(authorities []*authority) error {
	if f.path == "" {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	sent := make(map[string][]time.Time)
	for _, a := range authorities {
		if a.Budget.Requests > 0 {
			sent[a.URL] = a.times()
		}
	}
	data, err := json.Marshal(sent)
	if err != nil {
		return fmt.Errorf("encode budget file: %w", err)
	}
	return durable.WriteFile(f.path, data, 0o600)
}
