package affinity

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"
)

const (
	// clockSkew is how far the clocks of two instances may differ. Access tokens allow the same.
	clockSkew = 30 * time.Second
	// keyOverlap is how long a key is accepted after another has replaced it. A kubelet may take two
	// minutes to update a mounted file, so a peer may still sign with the previous key.
	keyOverlap = 2*time.Minute + clockSkew
)

// MessageKeys holds the key that all instances share, and the previous one for a while. Messages
// between instances are signed with it. The zero value holds no key. Safe for concurrent use.
type MessageKeys struct {
	mu                sync.Mutex
	current, previous []byte
	changed           time.Time
}

// Set makes key the one that signs. The previous key is accepted for some minutes more. An empty
// key means that the instances share none.
func (k *MessageKeys) Set(key []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if bytes.Equal(key, k.current) {
		return
	}
	k.previous, k.current, k.changed = k.current, bytes.Clone(key), time.Now()
}

// valid returns the key that signs, and after it the previous one while it is accepted. It returns
// nothing if no key is shared.
func (k *MessageKeys) valid() (keys [][]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.current) == 0 {
		return nil
	}
	keys = append(keys, k.current)
	if len(k.previous) > 0 && time.Since(k.changed) <= keyOverlap {
		keys = append(keys, k.previous)
	}
	return keys
}

// authenticate returns the HMAC-SHA256 of parts. purpose keeps it apart from other uses of the same
// key. Each part is written with its length, so that no two lists of parts give the same result.
func authenticate(key []byte, purpose string, parts ...[]byte) []byte {
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte(purpose + "\x00")) // never fails
	var length [8]byte
	for _, part := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		_, _ = mac.Write(length[:])
		_, _ = mac.Write(part)
	}
	return mac.Sum(nil)
}
