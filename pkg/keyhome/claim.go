package keyhome

import (
	"context"
	"encoding/hex"
)

// Fingerprint is the first half of the digest of a request. The zero value means that the request
// was not read yet.
type Fingerprint [16]byte

// MarshalText implements encoding.TextMarshaler.
func (f Fingerprint) MarshalText() ([]byte, error) {
	if f == (Fingerprint{}) {
		return nil, nil
	}
	return []byte(hex.EncodeToString(f[:])), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *Fingerprint) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*f = Fingerprint{}
		return nil
	}
	return unmarshalHex(f[:], text)
}

// differs reports whether both fingerprints are known and not equal.
func (f Fingerprint) differs(other Fingerprint) bool {
	return f != (Fingerprint{}) && other != (Fingerprint{}) && f != other
}

// Claim says which instance may create the operation of a key. It does not say that the operation
// exists: only the owner knows that.
type Claim struct {
	Key   Key `json:"key"`
	Owner int `json:"owner"` // ordinal
	// Attempt grows with every claim that the owner makes. A release names it, so that a release that
	// arrives late cannot remove a newer claim of the same owner.
	Attempt     uint64      `json:"attempt"`
	Fingerprint Fingerprint `json:"fingerprint,omitzero"` // zero = not known
	// Expires is the time in Unix seconds from which the owner is asked whether the claim is still
	// needed. 0 = never.
	Expires int64 `json:"expires,omitempty"`
	// Version orders all claims that were ever made for the key, whoever its home was. A claim
	// replaces another only if its version is higher.
	Version uint64 `json:"version"`
}

// Entry is a claim in the table of one instance.
type Entry struct {
	Claim
	// Position grows with every entry that is added or replaced. The table assigns it. It is never 0.
	Position int64
	// Copied identifies the state folder that has a durable copy of this version; 0 = none.
	Copied uint64
}

// Table keeps the claims and the State of one instance. Everything that a method changes is durable
// when the method returns nil. After an error the change may have happened or not. A Table is safe
// for concurrent use.
type Table interface {
	// Load returns what was saved last. A table that is new returns the zero State.
	Load(ctx context.Context) (Loaded, error)
	// Save replaces the State, unless s is nil, and imports claims, both or neither. Of the claims it
	// adds those whose version is higher than that of the entry with their key, and ignores the
	// others. The Copied of an imported claim is 0. It returns the last position that the table has
	// assigned; 0 = none.
	Save(ctx context.Context, s *State, claims []Claim) (position int64, err error)
	// Get returns the entry of a key.
	Get(ctx context.Context, key Key) (e Entry, ok bool, err error)
	// Swap compares and sets: if the entry of the key has that version (0 = there must be none), Swap
	// replaces it by next, or removes it if next is nil. It ignores next.Position. The position stays
	// if the version does not change. It returns false and changes nothing if the version is another.
	Swap(ctx context.Context, key Key, version uint64, next *Entry) (swapped bool, err error)
	// SwapAll is Swap for each of the changes, in much less time. What compares unequal is skipped. A
	// crash or an error may leave some of the changes undone.
	SwapAll(ctx context.Context, changes []Change) error
	// Page returns up to limit entries with positions above after, ordered by position.
	Page(ctx context.Context, after int64, limit int) ([]Entry, error)
}

// Change is a change of one entry; see Table.Swap.
type Change struct {
	Key     Key
	Version uint64
	Next    *Entry // nil = remove the entry
}

// Loaded is what a table holds at the start of a process.
type Loaded struct {
	State State
	// Folder is the random identity of the state folder. Another identity means that the claims of
	// the instance were lost.
	Folder string
	// Version is the highest version of all entries; 0 = there are none.
	Version uint64
}
