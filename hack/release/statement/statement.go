package statement

import (
	"encoding/json"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Types of statements.
const (
	statementType  = "https://in-toto.io/Statement/v1"
	SBOMType       = "https://cyclonedx.org/bom"
	ProvenanceType = "https://slsa.dev/provenance/v1"
)

// Statement is an in-toto statement, version 1.
type Statement struct {
	Type          string          `json:"_type"`
	Subject       []Subject       `json:"subject"`
	PredicateType string          `json:"predicateType"`
	Predicate     json.RawMessage `json:"predicate"`
}

// Subject is an artifact that a statement is about.
type Subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// NewSubject returns an artifact with its digest.
func NewSubject(name string, digest v1.Hash) Subject {
	return Subject{name, map[string]string{digest.Algorithm: digest.Hex}}
}

// New returns the JSON of a statement about subjects.
func New(predicateType string, predicate any, subjects ...Subject) ([]byte, error) {
	raw, err := json.Marshal(predicate)
	if err != nil {
		return nil, err
	}
	return json.Marshal(Statement{statementType, subjects, predicateType, raw})
}

// Parse reads a statement and checks that it is about an artifact with this name and digest.
func Parse(text []byte, name string, digest v1.Hash) (Statement, error) {
	var s Statement
	if err := json.Unmarshal(text, &s); err != nil {
		return Statement{}, err
	}
	if s.Type != statementType {
		return Statement{}, fmt.Errorf("it has the type %q, want %q", s.Type, statementType)
	}
	if !slices.ContainsFunc(s.Subject, func(subject Subject) bool {
		return subject.Name == name && subject.Digest[digest.Algorithm] == digest.Hex
	}) {
		return Statement{}, fmt.Errorf("it is not about %s with the digest %s", name, digest)
	}
	return s, nil
}
