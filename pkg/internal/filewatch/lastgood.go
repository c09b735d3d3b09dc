package filewatch

import (
	"crypto/sha256"
	"sync/atomic"
)

// LastGood keeps the last good value of a file. Reload and NewLastGood must not run at the same
// time as another Reload. Value is safe for concurrent use.
type LastGood[T any] struct {
	read   func() ([]byte, error)
	decode func([]byte) (*T, error)
	value  atomic.Pointer[T]
	seen   finding
}

// finding identifies what one Reload found: the digest of the content, or the text of the error
// that prevented reading it. LastGood does not keep the content, because it may be a secret.
type finding struct {
	digest [sha256.Size]byte
	fault  string
}

// NewLastGood returns a LastGood without a value. read returns the content of the file. decode
// returns the value of a content. decode may return nil and no error if the content holds no value;
// the last good value then stays.
func NewLastGood[T any](read func() ([]byte, error), decode func([]byte) (*T, error)) *LastGood[T] {
	return &LastGood[T]{read: read, decode: decode}
}

// Value returns the last good value, or nil if there was none yet. The value must not be changed.
func (l *LastGood[T]) Value() *T { return l.value.Load() }

// Set sets a value that does not come from the file.
func (l *LastGood[T]) Set(value *T) { l.value.Store(value) }

// Reload reads the file. changed reports whether a new value is in force. Reload does nothing if
// the file is as the last Reload found it, so it returns the same error only once. After an error
// the last good value stays in force.
func (l *LastGood[T]) Reload() (changed bool, err error) {
	data, err := l.read()
	found := finding{digest: sha256.Sum256(data)}
	if err != nil {
		found = finding{fault: err.Error()}
	}
	if found == l.seen {
		return false, nil
	}
	l.seen = found
	if err != nil {
		return false, err
	}
	value, err := l.decode(data)
	if err != nil || value == nil {
		return false, err
	}
	l.value.Store(value)
	return true, nil
}
