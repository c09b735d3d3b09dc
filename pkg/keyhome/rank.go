package keyhome

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
)

// Key identifies the Idempotency-Key of one client service, or an external reference. It is the
// first half of a SHA-256 digest, so it tells nothing about the key and takes 16 bytes.
type Key [16]byte

// KeyOf returns the Key of an Idempotency-Key of a client service.
func KeyOf(clientService, idempotencyKey string) Key {
	return digest("signstash key home", clientService, idempotencyKey)
}

// ReferenceKey returns the Key of an external reference of a client service. It never equals the
// Key of an Idempotency-Key.
func ReferenceKey(clientService, reference string) Key {
	return digest("signstash reference home", clientService, reference)
}

// digest hashes texts together with their lengths, so that no two lists of texts give the same
// digest.
func digest(texts ...string) (k Key) {
	var all []byte
	for _, text := range texts {
		all = binary.BigEndian.AppendUint64(all, uint64(len(text)))
		all = append(all, text...)
	}
	sum := sha256.Sum256(all)
	copy(k[:], sum[:])
	return k
}

// String returns the Key in hexadecimal.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// MarshalText implements encoding.TextMarshaler.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *Key) UnmarshalText(text []byte) error { return unmarshalHex(k[:], text) }

func unmarshalHex(to, text []byte) error {
	if len(text) != hex.EncodedLen(len(to)) {
		return fmt.Errorf("%d hexadecimal digits, not %d", len(text), hex.EncodedLen(len(to)))
	}
	_, err := hex.Decode(to, text)
	return err
}

// score is the weight of an instance in the rendezvous hash of a key (Thaler and Ravishankar,
// 1998). All releases must compute the same scores, so this function never changes.
func score(k Key, ordinal int) uint64 {
	x := binary.BigEndian.Uint64(k[:8]) ^ mix(uint64(ordinal)+1)
	return mix(mix(x) ^ binary.BigEndian.Uint64(k[8:]))
}

// mix is the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// outranks reports whether instance a ranks above instance b for the key.
func outranks(k Key, a, b int) bool { return compare(k, a, b) < 0 }

// compare orders instances from the highest rank to the lowest.
func compare(k Key, a, b int) int {
	switch x, y := score(k, a), score(k, b); {
	case x > y:
		return -1
	case x < y:
		return 1
	}
	return a - b
}

// top returns the instance of the list that ranks highest for the key; -1 if the list is empty.
func top(k Key, ordinals []int) int {
	best := -1
	for _, o := range ordinals {
		if best < 0 || outranks(k, o, best) {
			best = o
		}
	}
	return best
}

// rank sorts instances from the highest rank to the lowest.
func rank(k Key, ordinals []int) []int {
	slices.SortFunc(ordinals, func(a, b int) int { return compare(k, a, b) })
	return ordinals
}

// Homes returns the first and the second home of a key among the instances 0 to expected-1. With
// fewer than two instances second is -1, and without any both are -1.
//
// When the number of instances grows, a key keeps its first home unless a new instance becomes it.
// When the number shrinks, only keys whose home is gone get another.
func Homes(k Key, expected int) (first, second int) {
	first, second = -1, -1
	for o := range expected {
		switch {
		case first < 0 || outranks(k, o, first):
			first, second = o, first
		case second < 0 || outranks(k, o, second):
			second = o
		}
	}
	return first, second
}
