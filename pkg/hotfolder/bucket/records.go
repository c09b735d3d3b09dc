package bucket

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
)

// runRecord says who works on a run. Its version changes with its owner.
type runRecord struct {
	Owner int    `json:"owner"`
	Nonce string `json:"nonce"` // of the write, so that a writer recognizes its own record
}

// lockRecord is a claim that is being made.
type lockRecord struct {
	Run     string `json:"run"`
	Name    []byte `json:"name"` // bytes, because it need not be UTF-8
	Version string `json:"version"`
	Nonce   string `json:"nonce"`
}

// transfer is one file that is shown in a folder.
type transfer struct {
	From   []byte `json:"from"` // key of the original, for a further ticket
	Name   []byte `json:"name"` // wanted name
	Number int    `json:"number,omitempty"`
	Key    []byte `json:"key"` // where the ticket shows it
	Ticket ticket `json:"ticket"`
	Gone   bool   `json:"gone,omitempty"` // it vanished, and a text with the reason is shown instead
}

// deliveryRecord is what Deliver shows for a claim. Nonce tells its writes apart.
type deliveryRecord struct {
	Files []transfer `json:"files"`
	Nonce string     `json:"nonce"`
}

// nonce returns a text that nobody else chooses.
func nonce() string { return rand.Text() }

// load reads a record.
func load(ctx context.Context, s store, key string, record any) (object, error) {
	body, o, err := s.get(ctx, key)
	if err != nil {
		return object{}, err
	}
	if err := json.Unmarshal(body, record); err != nil {
		return object{}, fmt.Errorf("read record %q: %w", key, err)
	}
	return o, nil
}

// save writes a record if when holds.
func save(ctx context.Context, s store, key string, record any, when when) (object, error) {
	body, err := json.Marshal(record)
	if err != nil {
		return object{}, err
	}
	return write(ctx, s, key, body, when)
}

// write writes a small object that nobody else writes with the same content, if when holds. The
// condition also fails if an attempt succeeded whose answer was lost. Then the store has our
// content, and write succeeds.
func write(ctx context.Context, s store, key string, body []byte, when when) (object, error) {
	o, err := s.put(ctx, key, body, when)
	if !errors.Is(err, errCondition) {
		return o, err
	}
	stored, now, getErr := s.get(ctx, key)
	if getErr == nil && string(stored) == string(body) {
		return now, nil
	}
	return object{}, err
}
