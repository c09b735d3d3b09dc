package keyhometest

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
)

// Memory is a keyhome.Table in memory. It outlives the Home that uses it, like a state folder
// outlives a process. It is safe for concurrent use.
type Memory struct {
	// Overwrites makes Import replace newer claims too. Only the model test sets it.
	Overwrites bool

	folder   string
	mu       sync.Mutex
	state    []byte
	position int64
	entries  map[keyhome.Key]keyhome.Entry
	order    []keyhome.Entry // by position; an entry that was replaced or removed stays until compact
}

// NewMemory returns an empty table of the state folder with that identity.
func NewMemory(folder string) *Memory {
	return &Memory{folder: folder, entries: make(map[keyhome.Key]keyhome.Entry)}
}

var _ keyhome.Table = (*Memory)(nil)

// Load implements keyhome.Table.
func (m *Memory) Load(context.Context) (l keyhome.Loaded, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l.Folder = m.folder
	for _, e := range m.entries {
		l.Version = max(l.Version, e.Version)
	}
	if m.state != nil {
		err = json.Unmarshal(m.state, &l.State)
	}
	return l, err
}

// Save implements keyhome.Table.
func (m *Memory) Save(_ context.Context, s *keyhome.State, claims []keyhome.Claim) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s != nil {
		data, err := json.Marshal(s)
		if err != nil {
			return 0, err
		}
		m.state = data
	}
	for _, c := range claims {
		if old, ok := m.entries[c.Key]; !ok || c.Version > old.Version || m.Overwrites {
			m.put(keyhome.Entry{Claim: c})
		}
	}
	return m.position, nil
}

// Clone returns a table with the same content, for the same state folder.
func (m *Memory) Clone() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &Memory{
		Overwrites: m.Overwrites, folder: m.folder, state: slices.Clone(m.state), position: m.position,
		entries: maps.Clone(m.entries), order: slices.Clone(m.order),
	}
}

func (m *Memory) put(e keyhome.Entry) {
	m.position++
	e.Position = m.position
	m.entries[e.Key] = e
	m.order = append(m.order, e)
	if len(m.order) > 2*len(m.entries)+16 {
		m.order = slices.DeleteFunc(m.order, func(e keyhome.Entry) bool { return m.entries[e.Key].Position != e.Position })
	}
}

// Get implements keyhome.Table.
func (m *Memory) Get(_ context.Context, key keyhome.Key) (keyhome.Entry, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.entries[key]
	return e, ok, nil
}

// Swap implements keyhome.Table.
func (m *Memory) Swap(_ context.Context, key keyhome.Key, version uint64, next *keyhome.Entry) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.entries[key]
	switch {
	case old.Version != version:
		return false, nil
	case next == nil:
		delete(m.entries, key)
	case next.Version == version:
		same := *next
		same.Position = old.Position
		m.entries[key] = same
	default:
		m.put(*next)
	}
	return true, nil
}

// SwapAll implements keyhome.Table.
func (m *Memory) SwapAll(ctx context.Context, changes []keyhome.Change) error {
	for _, c := range changes {
		if _, err := m.Swap(ctx, c.Key, c.Version, c.Next); err != nil {
			return err
		}
	}
	return nil
}

// Page implements keyhome.Table.
func (m *Memory) Page(_ context.Context, after int64, limit int) (page []keyhome.Entry, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, _ := slices.BinarySearchFunc(
		m.order,
		after+1,
		func(e keyhome.Entry, p int64) int { return cmp.Compare(e.Position, p) },
	)
	for ; i < len(m.order) && len(page) < limit; i++ {
		if e, ok := m.entries[m.order[i].Key]; ok && e.Position == m.order[i].Position {
			page = append(page, e)
		}
	}
	return page, nil
}
